// Integer linear kernels for any vector type V (generic/linear_layouts.inl comes first).
//
// One loop, panel_times_rows, serves both phases. It takes the weights of a group from a source:
// decode reads packed memory, prefill reads a panel that was decoded into scratch once for all
// rows. So y does not depend on the phase: in each group of inputs an exact integer sum, then
//   y += float(sum) * (scale_w * scale_x);  y -= min_w * (float(sum_x) * scale_x)
// with fused multiply-adds, groups ascending.
//
// Defined before: kStreams, the panels that decode reads at once, each its own stream through
// memory, and kAhead, the bytes that it asks for ahead.

constexpr std::size_t kLine = 64;

inline std::byte* align_line(std::byte* p) {
  const std::size_t past = reinterpret_cast<std::uintptr_t>(p) % kLine;
  return past == 0 ? p : p + (kLine - past);
}

// R rows of the input in the order of use, for each group: codes [R][32], start values of the
// integer sums [halves][R], scales [R], and sum * scale for the mins [halves][R].
struct Tile {
  std::int8_t* codes;
  std::int32_t* starts;
  float* scales;
  float* mins;
};

// Room for `rows` rows of `groups` groups at the front of scratch; returns what follows it.
inline std::byte* place_tile(std::byte* scratch, std::size_t rows, std::size_t groups, Tile& tile) {
  std::byte* p = align_line(scratch);
  tile.codes = reinterpret_cast<std::int8_t*>(p);
  p += rows * groups * 32;
  tile.starts = reinterpret_cast<std::int32_t*>(p);
  p += rows * groups * 2 * sizeof(std::int32_t);
  tile.scales = reinterpret_cast<float*>(p);
  p += rows * groups * sizeof(float);
  tile.mins = reinterpret_cast<float*>(p);
  return align_line(p + rows * groups * 2 * sizeof(float));
}

// Groups [first, first + groups) of rows [first_row, first_row + R).
template <int R, int Halves>
void fill_tile(const QuantizedRows& x, std::size_t first_row, std::size_t first, std::size_t groups,
               std::int32_t offset, const Tile& tile) {
  for (std::size_t r = 0; r < R; ++r) {
    const std::size_t before = (first_row + r) * (x.k / 32) + first;
    const std::int8_t* codes = x.codes + before * 32;
    const float* scales = x.scales + before;
    const std::int32_t* sums = x.sums + before * 2;
    for (std::size_t g = 0; g < groups; ++g) {
      std::memcpy(tile.codes + (g * R + r) * 32, codes + 32 * g, 32);
      const float scale = scales[g];
      tile.scales[g * R + r] = scale;
      for (std::size_t h = 0; h < Halves; ++h) {
        const std::int32_t sum = Halves == 2 ? sums[2 * g + h] : sums[2 * g] + sums[2 * g + 1];
        tile.starts[(g * Halves + h) * R + r] = -offset * sum;
        tile.mins[(g * Halves + h) * R + r] = static_cast<float>(sum) * scale;
      }
    }
  }
}

// What the loop must know of a type at compile time.
struct Shape {
  int halves;
  int bits;  // of the codes that V multiplies with: 4 stands for less, too
  bool has_min;
};
template <Layout L>
constexpr Shape shape_of() {
  return {L.halves(), L.eight() ? 8 : L.bits < 4 ? 4 : L.bits, L.has_min};
}

// Groups straight from packed memory. All parts of a group are used at once, so that memory is read
// once.
template <Layout L, int Panels>
struct PackedSource {
  static constexpr Shape kShape = shape_of<L>();
  static constexpr int kTogether = Panels * kParts;

  const std::byte* block;
  std::size_t panel_bytes;
  [[no_unique_address]] Blocks<L> blocks;
  HALFBYTE_INLINE std::size_t groups_a_block() const { return blocks.groups; }
  HALFBYTE_INLINE void load(std::size_t sub, std::size_t part, Group& group) const {
    load_group<L>(block + part / kParts * panel_bytes, sub, part % kParts, group);
  }
  HALFBYTE_INLINE void next_block() {
    for (std::size_t p = 0; p < Panels; ++p) {
      for (std::size_t i = 0; i < blocks.bytes; i += kLine) {
        __builtin_prefetch(block + p * panel_bytes + kAhead + i);
      }
    }
    block += blocks.bytes;
  }
};

// Groups of a decoded panel: for each part, codes [group][8 steps], scales and mins
// [group][halves].
template <Shape S>
struct DecodedSource {
  static constexpr Shape kShape = S;
  static constexpr int kTogether = 1;
  static constexpr std::size_t kCodes = 32 * V::kLanes;  // bytes a group and part
  static constexpr std::size_t kScales = S.halves * V::kLanes;
  static constexpr std::size_t kPanelGroup =
      (kCodes + kScales * sizeof(float) * (S.has_min ? 2 : 1)) * kParts;  // bytes a group

  std::byte* codes;
  float* scales;
  float* mins;

  DecodedSource(std::byte* panel, std::size_t groups, std::size_t part) {
    std::byte* after_codes = panel + kCodes * kParts * groups;
    float* first_scale = reinterpret_cast<float*>(after_codes);
    codes = panel + kCodes * groups * part;
    scales = first_scale + kScales * groups * part;
    mins = first_scale + kScales * groups * (kParts + part);
  }
  static constexpr std::size_t groups_a_block() { return 1; }
  HALFBYTE_INLINE void load(std::size_t, std::size_t, Group& group) const {
    unroll<8>([&](auto s)
                  HALFBYTE_INLINE_LAMBDA { group.codes[s] = V::load(codes + 4 * V::kLanes * s); });
    unroll<S.halves>([&](auto h) HALFBYTE_INLINE_LAMBDA {
      group.scales[h] = V::load_f32(scales + V::kLanes * h);
      if constexpr (S.has_min) group.mins[h] = V::load_f32(mins + V::kLanes * h);
    });
  }
  HALFBYTE_INLINE void store(const Group& group) const {
    unroll<8>([&](auto s)
                  HALFBYTE_INLINE_LAMBDA { V::store(codes + 4 * V::kLanes * s, group.codes[s]); });
    unroll<S.halves>([&](auto h) HALFBYTE_INLINE_LAMBDA {
      V::store_f32(scales + V::kLanes * h, group.scales[h]);
      if constexpr (S.has_min) V::store_f32(mins + V::kLanes * h, group.mins[h]);
    });
  }
  HALFBYTE_INLINE void next_block() {
    codes += kCodes;
    scales += kScales;
    mins += kScales;
  }
};

template <Layout L>
void decode_panel(const Blocks<L>& blocks, const std::byte* packed, std::size_t groups,
                  std::byte* panel) {
  for (std::size_t part = 0; part < kParts; ++part) {
    DecodedSource<shape_of<L>()> to(panel, groups, part);
    const std::byte* block = packed;
    for (std::size_t g = 0; g < groups; g += blocks.groups, block += blocks.bytes) {
      for (std::size_t sub = 0; sub < blocks.groups; ++sub, to.next_block()) {
        Group group;
        load_group<L>(block, sub, part, group);
        to.store(group);
      }
    }
  }
}

// Adds one group's part of R rows to their sums.
template <Shape S, int R>
HALFBYTE_INLINE void add_group(const Group& group, const Tile& tile, std::size_t g,
                               typename V::Float* sums) {
  constexpr int kSteps = 8 / S.halves;
  unroll<R>([&](auto r) HALFBYTE_INLINE_LAMBDA {
    const std::int8_t* codes = tile.codes + (g * R + r) * 32;
    const float scale = tile.scales[g * R + r];
    unroll<S.halves>([&](auto h) HALFBYTE_INLINE_LAMBDA {
      constexpr int kFirst = decltype(h)::value * kSteps;
      const std::size_t at = (g * S.halves + h) * R + r;
      const typename V::Int dot = V::template dot<S.bits, kFirst, kSteps>(
          V::broadcast_int(tile.starts + at), group.codes, codes);
      sums[r] =
          V::multiply_add(V::to_float(dot), V::mul(group.scales[h], V::broadcast(scale)), sums[r]);
      if constexpr (S.has_min) {
        sums[r] = V::subtract_product(group.mins[h], V::broadcast(tile.mins[at]), sums[r]);
      }
    });
  });
}

// Where R rows of y and Source::kTogether parts, from `part` on, of one panel go.
struct Target {
  float* y;
  std::size_t stride;   // floats from row to row
  std::size_t outputs;  // of the panel that exist, from `part` on
};
inline Target target_of(const PackedMatrix& w, const LinearOutput& out, std::size_t row,
                        std::uint64_t panel, std::size_t part) {
  const std::uint64_t column = panel * kPanel + part * V::kLanes;
  const std::size_t left = column < w.n ? static_cast<std::size_t>(w.n - column) : 0;
  return {out.y + row * out.stride + column, out.stride, left};
}

// y = (Continue: y +) the sum of `groups` groups.
template <typename Source, int R, bool Continue>
void panel_times_rows(Source source, std::size_t groups, const Tile& tile, const Target& to) {
  constexpr int kTogether = Source::kTogether;
  typename V::Float sums[kTogether][R];
  const auto each_sum = [&](const auto& fn) HALFBYTE_INLINE_LAMBDA {
    unroll<kTogether>([&](auto p) HALFBYTE_INLINE_LAMBDA {
      const std::size_t first = static_cast<std::size_t>(p * V::kLanes);
      const std::size_t left = first < to.outputs ? to.outputs - first : 0;
      const std::size_t count = left < V::kLanes ? left : V::kLanes;
      unroll<R>([&](auto r) HALFBYTE_INLINE_LAMBDA {
        fn(sums[p][r], to.y + r * to.stride + first, count);
      });
    });
  };
  each_sum([](typename V::Float& sum, const float* y, std::size_t count)
               HALFBYTE_INLINE_LAMBDA { sum = Continue ? V::load_some(y, count) : V::zero(); });
  for (std::size_t g = 0; g < groups; g += source.groups_a_block(), source.next_block()) {
    for (std::size_t sub = 0; sub < source.groups_a_block(); ++sub) {
      unroll<kTogether>([&](auto p) HALFBYTE_INLINE_LAMBDA {
        Group group;
        source.load(sub, static_cast<std::size_t>(p), group);
        add_group<Source::kShape, R>(group, tile, g + sub, sums[p]);
      });
    }
  }
  each_sum([](typename V::Float& sum, float* y, std::size_t count)
               HALFBYTE_INLINE_LAMBDA { V::store_some(y, sum, count); });
}

// Rows [row, rows) in tiles of R while there are enough, then in smaller ones: fn(Constant<R>,
// row).
template <int R, typename Fn>
void in_tiles(std::size_t row, std::size_t rows, const Fn& fn) {
  for (; row + R <= rows; row += R) fn(Constant<R>{}, row);
  if constexpr (R > 1) in_tiles<R / 2>(row, rows, fn);
}

// The part of a tile of several rows that begins `rows` rows further on.
template <Layout L>
Tile tile_after(const Tile& tile, std::size_t rows, std::size_t groups) {
  const std::size_t before = rows * groups;
  return {tile.codes + before * 32, tile.starts + before * L.halves(), tile.scales + before,
          tile.mins + before * L.halves()};
}

// `panels` panels from `panel` on times R rows.
template <Layout L, int R>
void panels_times_rows(const Matrix<L>& w, std::uint64_t panel, std::uint64_t panels,
                       std::size_t row, const Tile& tile, const LinearOutput& out) {
  const std::size_t groups = w.packed.k / 32;
  const std::size_t panel_bytes = groups / w.blocks.groups * w.blocks.bytes;
  const auto times_rows = [&]<int Panels>(Constant<Panels>, std::uint64_t p) {
    using Source = PackedSource<L, Panels>;
    const Source source = {w.packed.data + p * panel_bytes, panel_bytes, w.blocks};
    panel_times_rows<Source, R, false>(source, groups, tile, target_of(w.packed, out, row, p, 0));
  };
  constexpr int kFit = V::kDecodeSums / (R * kParts);  // panels whose sums stay in registers
  constexpr int kPanels = kFit < kStreams ? kFit : kStreams;
  std::uint64_t p = panel;
  for (; p + kPanels <= panel + panels; p += kPanels) times_rows(Constant<kPanels>{}, p);
  for (; p < panel + panels; ++p) times_rows(Constant<1>{}, p);
}

// Up to kDecodeRows rows: weights go from memory to registers. A tile of rows meets them with its
// sums in registers; further tiles find the panels in the cache.
template <Layout L>
void decode_rows(const Matrix<L>& w, std::uint64_t begin, std::uint64_t end, const QuantizedRows& x,
                 std::size_t first, std::size_t rows, const Tile& all, const LinearOutput& out) {
  constexpr int kMost = V::kDecodeSums / 2;
  const std::size_t groups = w.packed.k / 32;
  in_tiles<kMost>(first, first + rows, [&]<int R>(Constant<R>, std::size_t row) {
    const Tile tile = tile_after<L>(all, row - first, groups);
    fill_tile<R, L.halves()>(x, row, 0, groups, L.start_offset(), tile);
  });
  for (std::uint64_t p = begin; p < end; p += kStreams) {
    const std::uint64_t panels = end - p < kStreams ? end - p : kStreams;
    in_tiles<kMost>(first, first + rows, [&]<int R>(Constant<R>, std::size_t row) {
      const Tile tile = tile_after<L>(all, row - first, groups);
      panels_times_rows<L, R>(w, p, panels, row, tile, out);
    });
  }
}

template <Layout L>
void decode_all_rows(const Matrix<L>& w, std::uint64_t begin, std::uint64_t end,
                     const QuantizedRows& x, const LinearOutput& out, std::byte* scratch) {
  Tile tile;
  place_tile(scratch, kDecodeRows, w.packed.k / 32, tile);
  for (std::size_t row = 0; row < x.rows; row += kDecodeRows) {
    const std::size_t rows = x.rows - row < kDecodeRows ? x.rows - row : kDecodeRows;
    decode_rows<L>(w, begin, end, x, row, rows, tile, out);
  }
}

template <Layout L>
void linear_decode(const PackedMatrix& w, std::uint64_t begin, std::uint64_t end,
                   const QuantizedRows& x, const LinearOutput& out, std::byte* scratch) noexcept {
  decode_all_rows<L.shared()>(matrix_of<L>(w), begin, end, x, out, scratch);
}

// Groups [first, first + groups) of panels [begin, end), decoded. `offset` is left to subtract from
// their codes.
struct Slab {
  std::byte* data;
  std::uint64_t begin;
  std::uint64_t end;
  std::size_t first;
  std::size_t groups;
  std::int32_t offset;
};

// Rows [row, ...) in tiles of R while there are enough, then in smaller tiles.
template <Shape S, int R>
void slab_times_rows(const PackedMatrix& w, const Slab& slab, const QuantizedRows& x,
                     std::size_t row, const Tile& tile, const LinearOutput& out) {
  using Source = DecodedSource<S>;
  for (; row + R <= x.rows; row += R) {
    fill_tile<R, S.halves>(x, row, slab.first, slab.groups, slab.offset, tile);
    for (std::uint64_t p = slab.begin; p < slab.end; ++p) {
      std::byte* panel = slab.data + (p - slab.begin) * slab.groups * Source::kPanelGroup;
      for (std::size_t part = 0; part < kParts; ++part) {
        const Source source(panel, slab.groups, part);
        const Target to = target_of(w, out, row, p, part);
        slab.first == 0 ? panel_times_rows<Source, R, false>(source, slab.groups, tile, to)
                        : panel_times_rows<Source, R, true>(source, slab.groups, tile, to);
      }
    }
  }
  if constexpr (R > 1) {
    constexpr int kNext = R > 8 ? 8 : R > 4 ? 4 : R / 2;
    if (row < x.rows) slab_times_rows<S, kNext>(w, slab, x, row, tile, out);
  }
}

template <Layout L>
void decode_slab(const Matrix<L>& w, const Slab& slab) {
  const std::size_t bytes = slab.groups * DecodedSource<shape_of<L>()>::kPanelGroup;
  for (std::uint64_t p = slab.begin; p < slab.end; ++p) {
    decode_panel<L>(w.blocks, w.block(p, slab.first), slab.groups,
                    slab.data + (p - slab.begin) * bytes);
  }
}

// Many rows: a slab of panels is decoded once, then all rows pass. The rows' tile stays in the L1
// cache and the slab in L2.
template <Layout L>
void prefill_slabs(const Matrix<L>& w, std::uint64_t begin, std::uint64_t end,
                   const QuantizedRows& x, const LinearOutput& out, std::byte* scratch) {
  constexpr std::size_t kSlabGroups = kSlabCodes / 32;
  const std::size_t groups = w.packed.k / 32;
  Tile tile;
  std::byte* const data = place_tile(scratch, kTileRows, kSlabGroups, tile);
  Slab slab = {data, 0, 0, 0, 0, L.start_offset()};
  for (slab.begin = begin; slab.begin < end; slab.begin = slab.end) {
    slab.end = end - slab.begin < kSlabPanels ? end : slab.begin + kSlabPanels;
    for (slab.first = 0; slab.first < groups; slab.first += slab.groups) {
      slab.groups = groups - slab.first < kSlabGroups ? groups - slab.first : kSlabGroups;
      decode_slab<L>(w, slab);
      slab_times_rows<shape_of<L>(), V::kTileRows>(w.packed, slab, x, 0, tile, out);
    }
  }
}

template <Layout L>
void linear_prefill(const PackedMatrix& w, std::uint64_t begin, std::uint64_t end,
                    const QuantizedRows& x, const LinearOutput& out, std::byte* scratch) noexcept {
  prefill_slabs<L.shared()>(matrix_of<L>(w), begin, end, x, out, scratch);
}
