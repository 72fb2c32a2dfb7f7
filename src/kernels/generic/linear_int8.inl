// Integer linear kernels for any vector type V (generic/linear_layouts.inl and linear_int8_tile.inl
// come first).
//
// One loop, panel_times_rows, serves both phases. It takes the weights of a group from a source:
// decode reads packed memory, prefill reads a panel that was decoded into scratch once for all
// rows. So y does not depend on the phase: in each group of inputs an exact integer sum, then
//   y += float(sum) * (scale_w * scale_x);  y -= min_w * (float(sum_x) * scale_x)
// with fused multiply-adds, groups ascending; and after each run of groups its outliers,
//   y += (float(code) * scale_w - min_w) * value
//
// Defined before: add_products (generic/linear_int8_products.inl, isa/avx2/products.inl).

// How decode reads memory: `panels` at once (1 or kStreams), each its own stream, asking `ahead`
// bytes ahead.
struct Reading {
  int panels;
  std::size_t ahead;
};
// On Zen 4 two cores read 1.3 times as much in one stream as in four; Intel's cores get 1.4 times
// as much from four.
constexpr Reading kOneStream = {1, 1024};
constexpr int kStreams = 4;
constexpr Reading kFourStreams = {kStreams, 2048};

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

// Of the inputs of a step (4 of them), in one part of a panel.
struct OutlierWeights {
  typename V::Int codes;
  typename V::Float scale;
  typename V::Float min;
};

// Groups straight from packed memory. All parts of a group are used at once, so that memory is read
// once.
template <Layout L, int Panels>
struct PackedSource {
  static constexpr Shape kShape = shape_of<L>();
  static constexpr int kTogether = Panels * kParts;
  static constexpr int kSideBySide = 1;  // parts whose products take turns

  const std::byte* block;
  std::size_t panel_bytes;
  std::size_t ahead;
  [[no_unique_address]] Blocks<L> blocks;
  HALFBYTE_INLINE std::size_t groups_a_block() const { return blocks.groups; }
  HALFBYTE_INLINE void load(std::size_t sub, std::size_t part, Group& group) const {
    load_group<L>(block + part / kParts * panel_bytes, sub, part % kParts, group);
  }
  // The codes of input `input`'s step, counted from here, and its scale and min.
  [[gnu::noinline]] OutlierWeights outlier(std::size_t input, std::size_t part) const {
    const std::size_t group = input / 32;
    const std::byte* at =
        block + part / kParts * panel_bytes + group / groups_a_block() * blocks.bytes;
    Group weights;
    load_group<L>(at, group % groups_a_block(), part % kParts, weights);
    const std::size_t half = input % 32 / L.group;
    return {weights.codes[input % 32 / 4], weights.scales[half],
            L.has_min ? weights.mins[half] : V::zero()};
  }
  HALFBYTE_INLINE void next_block() {
    for (std::size_t p = 0; p < Panels; ++p) {
      for (std::size_t i = 0; i < blocks.bytes; i += kLine) {
        __builtin_prefetch(block + p * panel_bytes + ahead + i);
      }
    }
    block += blocks.bytes;
  }
};

// Groups of `Panels` decoded panels that follow each other, of one part: for each part of a panel,
// codes [group][8 steps], scales and mins [group][halves].
template <Shape S, int Panels = 1>
struct DecodedSource {
  static constexpr Shape kShape = S;
  static constexpr int kTogether = Panels;
  static constexpr int kSideBySide = Panels;
  static constexpr std::size_t kCodes = 32 * V::kLanes;  // bytes a group and part
  static constexpr std::size_t kScales = S.halves * V::kLanes;
  static constexpr std::size_t kPanelGroup =
      (kCodes + kScales * sizeof(float) * (S.has_min ? 2 : 1)) * kParts;  // bytes a group

  std::byte* codes;
  std::byte* scales;
  std::byte* mins;
  std::size_t panel_bytes;

  DecodedSource(std::byte* panel, std::size_t groups, std::size_t part)
      : codes(panel + kCodes * groups * part),
        scales(panel + groups * (kCodes * kParts + kScaleBytes * part)),
        mins(panel + groups * (kCodes * kParts + kScaleBytes * (kParts + part))),
        panel_bytes(groups * kPanelGroup) {}
  static constexpr std::size_t groups_a_block() { return 1; }
  HALFBYTE_INLINE void load(std::size_t, std::size_t panel, Group& group) const {
    const std::size_t at = panel * panel_bytes;
    unroll<8>([&](auto s) HALFBYTE_INLINE_LAMBDA {
      group.codes[s] = V::load(codes + at + 4 * V::kLanes * s);
    });
    unroll<S.halves>([&](auto h) HALFBYTE_INLINE_LAMBDA {
      group.scales[h] = V::load_f32(floats(scales + at) + V::kLanes * h);
      if constexpr (S.has_min) group.mins[h] = V::load_f32(floats(mins + at) + V::kLanes * h);
    });
  }
  HALFBYTE_INLINE OutlierWeights outlier(std::size_t input, std::size_t panel) const {
    const std::size_t at = panel * panel_bytes;
    const std::size_t lanes = V::kLanes * (input * S.halves / 32);
    return {V::load(codes + at + 4 * V::kLanes * (input / 4)),
            V::load_f32(floats(scales + at) + lanes),
            S.has_min ? V::load_f32(floats(mins + at) + lanes) : V::zero()};
  }
  HALFBYTE_INLINE void store(const Group& group) const {
    unroll<8>([&](auto s)
                  HALFBYTE_INLINE_LAMBDA { V::store(codes + 4 * V::kLanes * s, group.codes[s]); });
    unroll<S.halves>([&](auto h) HALFBYTE_INLINE_LAMBDA {
      V::store_f32(floats(scales) + V::kLanes * h, group.scales[h]);
      if constexpr (S.has_min) V::store_f32(floats(mins) + V::kLanes * h, group.mins[h]);
    });
  }
  HALFBYTE_INLINE void next_block() {
    codes += kCodes;
    scales += kScaleBytes;
    mins += kScaleBytes;
  }

 private:
  static constexpr std::size_t kScaleBytes = kScales * sizeof(float);
  static HALFBYTE_INLINE float* floats(std::byte* p) { return reinterpret_cast<float*>(p); }
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

// R rows that a loop computes, of a block of `Rows` (0: known at run time only).
template <int R, int Rows = 0>
struct TileShape {
  static constexpr int kRows = R;
  static HALFBYTE_INLINE std::size_t stride(const Tile& tile) {
    return Rows != 0 ? static_cast<std::size_t>(Rows) : tile.stride;
  }
};

// Adds one group's part of some rows to their sums, for P parts side by side.
template <Shape S, typename Rows, int P>
HALFBYTE_INLINE void add_group(const Group (&group)[P], const Tile& tile, std::size_t g,
                               typename V::Float (*sums)[Rows::kRows]) {
  constexpr int kSteps = 8 / S.halves;
  constexpr int R = Rows::kRows;
  const std::size_t stride = Rows::stride(tile);
  const std::int8_t* codes = tile.codes + 32 * g * stride;
  const float* scales = tile.scales + g * stride;
  unroll<S.halves>([&](auto h) HALFBYTE_INLINE_LAMBDA {
    constexpr int kFirst = decltype(h)::value * kSteps;
    const std::size_t at = (g * S.halves + h) * stride;
    typename V::Int dots[P][R];
    unroll<R>([&](auto r) HALFBYTE_INLINE_LAMBDA {
      const typename V::Int start = V::broadcast_int(tile.starts + at + r);
      unroll<P>([&](auto p) HALFBYTE_INLINE_LAMBDA { dots[p][r] = start; });
    });
    add_products<S.bits, kFirst, kSteps>(group, codes, stride, dots);
    unroll<R>([&](auto r) HALFBYTE_INLINE_LAMBDA {
      unroll<P>([&](auto p) HALFBYTE_INLINE_LAMBDA {
        typename V::Float& sum = sums[p][r];
        const typename V::Float scale = V::mul(group[p].scales[h], V::broadcast(scales[r]));
        sum = V::multiply_add(V::to_float(dots[p][r]), scale, sum);
        if constexpr (S.has_min)
          sum = V::subtract_product(group[p].mins[h], V::broadcast(tile.mins[at + r]), sum);
      });
    });
  });
}

// Inputs that pick one of a step.
constexpr std::int8_t kOneOfStep[4][4] = {{1, 0, 0, 0}, {0, 1, 0, 0}, {0, 0, 1, 0}, {0, 0, 0, 1}};

// Adds the outliers of a run of groups, whose inputs begin at `first`, to the sums of some rows.
template <typename Source, int R>
HALFBYTE_INLINE void add_outliers(const Source& source, std::size_t first, std::size_t end,
                                  const std::int32_t& start, OutlierList& next,
                                  typename V::Float (&sums)[Source::kTogether][R]) {
  constexpr Shape kShape = Source::kShape;
  for (; *next.inputs < end; ++next.inputs, next.values += R) {
    const std::size_t input = *next.inputs - first;
    const std::int8_t* const ones = kOneOfStep[input % 4];
    unroll<Source::kTogether>([&](auto p) HALFBYTE_INLINE_LAMBDA {
      const OutlierWeights at = source.outlier(input, static_cast<std::size_t>(p));
      const typename V::Int code =
          V::template dot<kShape.bits>(V::broadcast_int(&start), at.codes, ones);
      typename V::Float weight = V::mul(V::to_float(code), at.scale);
      if constexpr (kShape.has_min) weight = V::sub(weight, at.min);
      unroll<R>([&](auto r) HALFBYTE_INLINE_LAMBDA {
        sums[p][r] = V::multiply_add(weight, V::broadcast(next.values[r]), sums[p][r]);
      });
    });
  }
}

// Where R rows of y and Source::kTogether parts, of panels that follow each other, go.
struct Target {
  float* y;
  std::size_t stride;   // floats from row to row
  std::size_t outputs;  // of the matrix from there on
};
inline Target target_of(const PackedMatrix& w, const LinearOutput& out, std::size_t row,
                        std::uint64_t panel, std::size_t part) {
  const std::uint64_t column = panel * kPanel + part * V::kLanes;
  const std::size_t left = column < w.n ? static_cast<std::size_t>(w.n - column) : 0;
  return {out.y + row * out.stride + column, out.stride, left};
}

// y = (Continue: y +) the sum of `groups` groups.
template <typename Source, typename Rows, bool Continue>
void panel_times_rows(Source source, std::size_t groups, const Tile& tile, const Target& to) {
  constexpr int kTogether = Source::kTogether;
  constexpr int kSideBySide = Source::kSideBySide;
  constexpr int R = Rows::kRows;
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
  OutlierList outliers = tile.outliers;
  const std::int32_t start = -tile.offset;
  for (std::size_t run = 0; run < groups; run += kRunGroups) {
    const std::size_t end = groups - run < kRunGroups ? groups : run + kRunGroups;
    const Source at_run = source;
    for (std::size_t g = run; g < end; g += source.groups_a_block(), source.next_block()) {
      for (std::size_t sub = 0; sub < source.groups_a_block(); ++sub) {
        unroll<kTogether / kSideBySide>([&](auto i) HALFBYTE_INLINE_LAMBDA {
          constexpr int kFirst = decltype(i)::value * kSideBySide;
          Group group[kSideBySide];
          unroll<kSideBySide>([&](auto p) HALFBYTE_INLINE_LAMBDA {
            source.load(sub, static_cast<std::size_t>(kFirst + p), group[p]);
          });
          add_group<Source::kShape, Rows>(group, tile, g + sub, sums + kFirst);
        });
      }
    }
    add_outliers<Source, R>(at_run, 32 * run, 32 * end, start, outliers, sums);
  }
  each_sum([](typename V::Float& sum, float* y, std::size_t count)
               HALFBYTE_INLINE_LAMBDA { V::store_some(y, sum, count); });
}

constexpr int kMostDecodeRows = V::kDecodeSums / 2;

// `panels` panels from `panel` on times some rows.
template <Layout L, typename Rows>
void panels_times_rows(const Matrix<L>& w, std::uint64_t panel, std::uint64_t panels,
                       std::size_t row, const Tile& tile, const LinearOutput& out,
                       const Reading& reading) {
  const std::size_t groups = w.packed.k / 32;
  const std::size_t panel_bytes = groups / w.blocks.groups * w.blocks.bytes;
  const auto times_rows = [&]<int Panels>(Constant<Panels>, std::uint64_t p) {
    using Source = PackedSource<L, Panels>;
    const Source source = {w.packed.data + p * panel_bytes, panel_bytes, reading.ahead, w.blocks};
    panel_times_rows<Source, Rows, false>(source, groups, tile,
                                          target_of(w.packed, out, row, p, 0));
  };
  constexpr int kFit =
      V::kDecodeSums / (Rows::kRows * kParts);  // panels whose sums stay in registers
  constexpr int kPanels = kFit < kStreams ? kFit : kStreams;
  std::uint64_t p = panel;
  if (reading.panels != 1)
    for (; p + kPanels <= panel + panels; p += kPanels) times_rows(Constant<kPanels>{}, p);
  for (; p < panel + panels; ++p) times_rows(Constant<1>{}, p);
}

// A block of rows: weights go from memory to registers. A tile of rows meets them with its sums in
// registers; further tiles find the panels in the cache.
template <Layout L>
void decode_rows(const Matrix<L>& w, std::uint64_t begin, std::uint64_t end, std::size_t first,
                 const TileBlock<kMostDecodeRows>& block, const LinearOutput& out,
                 const Reading& reading) {
  const std::uint64_t together = static_cast<std::uint64_t>(reading.panels);
  for (std::uint64_t p = begin; p < end; p += together) {
    const std::uint64_t panels = end - p < together ? end - p : together;
    if (block.rows == 1) {
      panels_times_rows<L, TileShape<1, 1>>(w, p, panels, first, block.from_row(0), out, reading);
      continue;
    }
    block.for_tiles([&]<int R>(Constant<R>, std::size_t row) {
      panels_times_rows<L, TileShape<R>>(w, p, panels, first + row, block.from_row(row), out,
                                         reading);
    });
  }
}

template <Layout L>
void decode_all_rows(const Matrix<L>& w, std::uint64_t begin, std::uint64_t end,
                     const QuantizedRows& x, const LinearOutput& out, std::byte* scratch,
                     const Reading& reading) {
  const std::size_t groups = w.packed.k / 32;
  std::byte* after = nullptr;
  TileBlock<kMostDecodeRows> block(scratch, groups, after);
  for (std::size_t row = 0; row < x.rows; row += kQuantizedRows) {
    fill_block<L.halves(), L.has_min>(x, row, 0, groups, L.start_offset(), block);
    decode_rows<L>(w, begin, end, row, block, out, reading);
  }
}

template <Layout L>
void linear_decode(const PackedMatrix& w, std::uint64_t begin, std::uint64_t end,
                   const QuantizedRows& x, const LinearOutput& out, std::byte* scratch) noexcept {
  decode_all_rows<L.shared()>(matrix_of<L>(w), begin, end, x, out, scratch, kOneStream);
}
template <Layout L>
void linear_decode_streams(const PackedMatrix& w, std::uint64_t begin, std::uint64_t end,
                           const QuantizedRows& x, const LinearOutput& out,
                           std::byte* scratch) noexcept {
  decode_all_rows<L.shared()>(matrix_of<L>(w), begin, end, x, out, scratch, kFourStreams);
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

template <Shape S>
constexpr int tile_rows = S.halves == 2 ? V::kHalvesTileRows : V::kTileRows;

// `Panels` panels of a slab, from `panel` on, times all rows of a block that begins with `first`.
template <Shape S, int Panels>
void panels_times_block(const PackedMatrix& w, const Slab& slab, std::uint64_t panel,
                        std::size_t first, const TileBlock<tile_rows<S>>& block,
                        const LinearOutput& out) {
  using Source = DecodedSource<S, Panels>;
  std::byte* data = slab.data + (panel - slab.begin) * slab.groups * Source::kPanelGroup;
  for (std::size_t part = 0; part < kParts; ++part) {
    const Source source(data, slab.groups, part);
    const auto times_rows = [&]<typename Rows>(Rows, std::size_t row) {
      const Target to = target_of(w, out, first + row, panel, part);
      const Tile tile = block.from_row(row);
      slab.first == 0 ? panel_times_rows<Source, Rows, false>(source, slab.groups, tile, to)
                      : panel_times_rows<Source, Rows, true>(source, slab.groups, tile, to);
    };
    if constexpr (Panels > 1) {
      constexpr int R = tile_rows<S>;
      for (std::size_t row = 0; row < kQuantizedRows; row += R)
        times_rows(TileShape<R, static_cast<int>(kQuantizedRows)>{}, row);
    } else {
      block.for_tiles(
          [&]<int R>(Constant<R>, std::size_t row) { times_rows(TileShape<R>{}, row); });
    }
  }
}

// All rows of the inputs: a block of them meets each panel of the slab, tile after tile. Full
// blocks meet V::kTilePanels at once, so that enough products are under way.
template <Shape S>
void slab_times_rows(const PackedMatrix& w, const Slab& slab, const QuantizedRows& x,
                     TileBlock<tile_rows<S>>& block, const LinearOutput& out) {
  constexpr int kTogether = V::kTilePanels;
  static_assert(kTogether == 1 || kParts == 1);
  static_assert(kQuantizedRows % tile_rows<S> == 0);
  for (std::size_t first = 0; first < x.rows; first += kQuantizedRows) {
    fill_block<S.halves, S.has_min>(x, first, slab.first, slab.groups, slab.offset, block);
    std::uint64_t p = slab.begin;
    if constexpr (kTogether > 1) {
      if (block.rows == kQuantizedRows)
        for (; p + kTogether <= slab.end; p += kTogether)
          panels_times_block<S, kTogether>(w, slab, p, first, block, out);
    }
    for (; p < slab.end; ++p) panels_times_block<S, 1>(w, slab, p, first, block, out);
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

// Many rows: a slab of panels is decoded once, then all rows pass. A block of rows stays in the L1
// cache and the slab in L2.
template <Layout L>
void prefill_slabs(const Matrix<L>& w, std::uint64_t begin, std::uint64_t end,
                   const QuantizedRows& x, const LinearOutput& out, std::byte* scratch) {
  const std::size_t groups = w.packed.k / 32;
  std::byte* data = nullptr;
  TileBlock<tile_rows<shape_of<L>()>> block(scratch, kRunGroups, data);
  Slab slab = {data, 0, 0, 0, 0, L.start_offset()};
  for (slab.begin = begin; slab.begin < end; slab.begin = slab.end) {
    slab.end = end - slab.begin < kSlabPanels ? end : slab.begin + kSlabPanels;
    for (slab.first = 0; slab.first < groups; slab.first += slab.groups) {
      slab.groups = groups - slab.first < kRunGroups ? groups - slab.first : kRunGroups;
      decode_slab<L>(w, slab);
      slab_times_rows<shape_of<L>()>(w.packed, slab, x, block, out);
    }
  }
}

template <Layout L>
void linear_prefill(const PackedMatrix& w, std::uint64_t begin, std::uint64_t end,
                    const QuantizedRows& x, const LinearOutput& out, std::byte* scratch) noexcept {
  prefill_slabs<L.shared()>(matrix_of<L>(w), begin, end, x, out, scratch);
}
