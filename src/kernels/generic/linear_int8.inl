// Integer linear kernels for any vector type V (generic/linear_layouts.inl comes first).
//
// One loop, panel_times_rows, serves both phases. It takes the weights of a group from a source:
// decode reads packed memory, prefill reads a panel that was decoded into scratch once for all
// rows. So y does not depend on the phase: in each group of inputs an exact integer sum, then
//   y += float(sum) * (scale_w * scale_x);  y -= min_w * (float(sum_x) * scale_x)
// with fused multiply-adds, groups ascending.

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

// Room for kTileRows rows at the front of scratch; returns what follows it.
inline std::byte* place_tile(std::byte* scratch, std::uint64_t k, Tile& tile) {
  const std::size_t groups = k / 32;
  std::byte* p = align_line(scratch);
  tile.codes = reinterpret_cast<std::int8_t*>(p);
  p += kTileRows * k;
  tile.starts = reinterpret_cast<std::int32_t*>(p);
  p += kTileRows * 2 * groups * sizeof(std::int32_t);
  tile.scales = reinterpret_cast<float*>(p);
  p += kTileRows * groups * sizeof(float);
  tile.mins = reinterpret_cast<float*>(p);
  return align_line(p + kTileRows * 2 * groups * sizeof(float));
}

template <int R, int Halves>
void fill_tile(const QuantizedRows& x, std::size_t first_row, std::int32_t offset,
               const Tile& tile) {
  const std::size_t groups = x.k / 32;
  for (std::size_t r = 0; r < R; ++r) {
    const std::size_t m = first_row + r;
    const std::int8_t* codes = x.codes + m * x.k;
    const float* scales = x.scales + m * groups;
    const std::int32_t* sums = x.sums + m * groups * 2;
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
template <Layout L>
struct PackedSource {
  static constexpr Shape kShape = shape_of<L>();
  static constexpr int kTogether = kParts;
  static constexpr std::size_t kGroupsABlock = L.block / 32;

  const std::byte* block;
  HALFBYTE_INLINE void load(std::size_t sub, std::size_t part, Group& group) const {
    load_group<L>(block, sub, part, group);
  }
  HALFBYTE_INLINE void next_block() { block += L.block_bytes(); }
};

// Groups of a decoded panel: for each part, codes [group][8 steps], scales and mins
// [group][halves].
template <Shape S>
struct DecodedSource {
  static constexpr Shape kShape = S;
  static constexpr int kTogether = 1;
  static constexpr std::size_t kGroupsABlock = 1;
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
void decode_panel(const std::byte* packed, std::size_t groups, std::byte* panel) {
  constexpr std::size_t kSubs = L.block / 32;
  for (std::size_t part = 0; part < kParts; ++part) {
    DecodedSource<shape_of<L>()> to(panel, groups, part);
    const std::byte* block = packed;
    for (std::size_t g = 0; g < groups; g += kSubs, block += L.block_bytes()) {
      for (std::size_t sub = 0; sub < kSubs; ++sub, to.next_block()) {
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

// y of R rows and Source::kTogether parts, from `part` on, of one panel.
template <typename Source, int R>
void panel_times_rows(Source source, const PackedMatrix& w, std::uint64_t panel, std::size_t part,
                      const Tile& tile, std::size_t first_row, const LinearOutput& out) {
  constexpr int kTogether = Source::kTogether;
  const std::size_t groups = w.k / 32;
  typename V::Float sums[kTogether][R];
  unroll<kTogether>([&](auto p) HALFBYTE_INLINE_LAMBDA {
    unroll<R>([&](auto r) HALFBYTE_INLINE_LAMBDA { sums[p][r] = V::zero(); });
  });
  for (std::size_t g = 0; g < groups; g += Source::kGroupsABlock, source.next_block()) {
    for (std::size_t sub = 0; sub < Source::kGroupsABlock; ++sub) {
      unroll<kTogether>([&](auto p) HALFBYTE_INLINE_LAMBDA {
        Group group;
        source.load(sub, static_cast<std::size_t>(p), group);
        add_group<Source::kShape, R>(group, tile, g + sub, sums[p]);
      });
    }
  }
  unroll<kTogether>([&](auto p) HALFBYTE_INLINE_LAMBDA {
    const std::size_t count = part_outputs(w, panel, part + p);
    float* y = out.y + first_row * out.stride + panel * kPanel + (part + p) * V::kLanes;
    unroll<R>([&](auto r) HALFBYTE_INLINE_LAMBDA {
      if (count != 0) V::store_some(y + r * out.stride, sums[p][r], count);
    });
  });
}

template <Layout L, int R>
void decode_rows(const PackedMatrix& w, std::uint64_t begin, std::uint64_t end,
                 const QuantizedRows& x, std::size_t row, const Tile& tile,
                 const LinearOutput& out) {
  const std::size_t panel_bytes = w.k / L.block * L.block_bytes();
  fill_tile<R, L.halves()>(x, row, L.start_offset(), tile);
  for (std::uint64_t p = begin; p < end; ++p) {
    const PackedSource<L> source = {w.data + p * panel_bytes};
    panel_times_rows<PackedSource<L>, R>(source, w, p, 0, tile, row, out);
  }
}

// Few rows: weights go from memory to registers.
template <Layout L>
void linear_decode(const PackedMatrix& w, std::uint64_t begin, std::uint64_t end,
                   const QuantizedRows& x, const LinearOutput& out, std::byte* scratch) noexcept {
  Tile tile;
  place_tile(scratch, w.k, tile);
  std::size_t row = 0;
  for (; row + 4 <= x.rows; row += 4) decode_rows<L, 4>(w, begin, end, x, row, tile, out);
  if (x.rows - row >= 2) {
    decode_rows<L, 2>(w, begin, end, x, row, tile, out);
    row += 2;
  }
  if (x.rows != row) decode_rows<L, 1>(w, begin, end, x, row, tile, out);
}

// Decoded panels of a slab.
struct Slab {
  std::byte* data;
  std::size_t stride;  // bytes a panel
  std::uint64_t begin;
  std::uint64_t end;
};

// Rows [row, ...) in tiles of R while there are enough, then in smaller tiles.
template <Layout L, int R>
void slab_times_rows(const PackedMatrix& w, const Slab& slab, const QuantizedRows& x,
                     std::size_t row, const Tile& tile, const LinearOutput& out) {
  using Source = DecodedSource<shape_of<L>()>;
  for (; row + R <= x.rows; row += R) {
    fill_tile<R, L.halves()>(x, row, L.start_offset(), tile);
    for (std::uint64_t p = slab.begin; p < slab.end; ++p) {
      std::byte* panel = slab.data + (p - slab.begin) * slab.stride;
      for (std::size_t part = 0; part < kParts; ++part) {
        panel_times_rows<Source, R>(Source(panel, w.k / 32, part), w, p, part, tile, row, out);
      }
    }
  }
  if constexpr (R > 1) {
    constexpr int kNext = R > 8 ? 8 : R > 4 ? 4 : R / 2;
    if (row < x.rows) slab_times_rows<L, kNext>(w, slab, x, row, tile, out);
  }
}

// Many rows: a slab of panels is decoded once, then all rows pass.
template <Layout L>
void linear_prefill(const PackedMatrix& w, std::uint64_t begin, std::uint64_t end,
                    const QuantizedRows& x, const LinearOutput& out, std::byte* scratch) noexcept {
  using Source = DecodedSource<shape_of<L>()>;
  const std::size_t groups = w.k / 32;
  const std::size_t packed_bytes = w.k / L.block * L.block_bytes();
  Tile tile;
  Slab slab = {place_tile(scratch, w.k, tile), groups * Source::kPanelGroup, 0, 0};
  const std::size_t fitting = slab.stride == 0 ? 1 : kSlabBytes / slab.stride;
  const std::size_t panels = fitting < 1 ? 1 : fitting > kSlabPanels ? kSlabPanels : fitting;
  for (slab.begin = begin; slab.begin < end; slab.begin = slab.end) {
    slab.end = end - slab.begin < panels ? end : slab.begin + panels;
    for (std::uint64_t p = slab.begin; p < slab.end; ++p) {
      decode_panel<L>(w.data + p * packed_bytes, groups,
                      slab.data + (p - slab.begin) * slab.stride);
    }
    slab_times_rows<L, V::kTileRows>(w, slab, x, 0, tile, out);
  }
}

constexpr LinearRow kInt8Rows[] = {
#define HALFBYTE_QUANTIZED(type)                                                                 \
  {HALFBYTE_ISA_NAME "." #type ".decode", DType::type, false, linear_decode<k_##type>, nullptr}, \
      {HALFBYTE_ISA_NAME "." #type ".prefill", DType::type, true, linear_prefill<k_##type>,      \
       nullptr},
#include "kernels/quantized_types.inc"
#undef HALFBYTE_QUANTIZED
};
