// Reading packed weights (kernels/packed.h) with vectors, whatever their width. Included inside an
// anonymous namespace after generic/unroll.inl and the vector type `V` of an instruction set:
//
//   V::kLanes        outputs a vector holds: 16, 8 or 4; a panel is 16 / kLanes parts
//   V::Int, V::Float kLanes 32-bit lanes; an Int is also kLanes x 4 codes of a byte
//   V::kSigned8      8-bit codes are kept as signed bytes (code - 128) instead of unsigned ones

enum class Sub { none, u8, i8, nibbles, zero };

// The quantized row of the layout table as a constant; tests compare the kernels with the table.
struct Layout {
  int block;  // inputs; 0: known at run time only (Blocks)
  int group;
  int offset;
  int bits;
  bool has_min;
  Sub sub;
  bool table;

  constexpr int halves() const { return 32 / group; }  // scales for 32 inputs
  constexpr int subs_at() const { return has_min && sub != Sub::zero ? 64 : 32; }
  constexpr int sub_mins_at() const { return subs_at() + block / group * 16; }
  constexpr int codes_at() const {
    if (sub == Sub::none) return subs_at();
    if (sub == Sub::zero) return subs_at() + 16;
    return subs_at() + (sub == Sub::u8 ? 2 : 1) * (block / group) * 16;
  }
  constexpr int group_bytes() const { return 64 * bits; }  // codes of 32 inputs
  constexpr int block_bytes() const { return codes_at() + block / 32 * group_bytes(); }
  constexpr int low_bits() const { return bits >= 8 ? 8 : bits >= 4 ? 4 : 2; }
  constexpr bool eight() const { return bits == 8 || table; }  // codes that need all 8 bits
  // What is left to subtract from the codes that V computes with.
  constexpr int start_offset() const { return eight() && V::kSigned8 ? 0 : offset; }
  // What kernels are compiled for: types that differ in nothing but the length of a block whose
  // groups are all alike share their code.
  constexpr Layout shared() const {
    Layout layout = *this;
    if (sub == Sub::zero) layout.block = 0;
    return layout;
  }
};
constexpr Layout with_zero_points(int bits, int block) {
  return {block, 32, 1 << (bits - 1), bits, true, Sub::zero, false};
}

constexpr Layout k_q4_0 = {32, 32, 8, 4, false, Sub::none, false};
constexpr Layout k_q4_1 = {32, 32, 0, 4, true, Sub::none, false};
constexpr Layout k_q5_0 = {32, 32, 16, 5, false, Sub::none, false};
constexpr Layout k_q5_1 = {32, 32, 0, 5, true, Sub::none, false};
constexpr Layout k_q8_0 = {32, 32, 128, 8, false, Sub::none, false};
constexpr Layout k_q2_k = {256, 16, 0, 2, true, Sub::nibbles, false};
constexpr Layout k_q3_k = {256, 16, 4, 3, false, Sub::i8, false};
constexpr Layout k_q4_k = {256, 32, 0, 4, true, Sub::u8, false};
constexpr Layout k_q5_k = {256, 32, 0, 5, true, Sub::u8, false};
constexpr Layout k_q6_k = {256, 16, 32, 6, false, Sub::i8, false};
constexpr Layout k_iq4_nl = {32, 32, 128, 4, false, Sub::none, true};
constexpr Layout k_iq4_xs = {256, 32, 128, 4, false, Sub::i8, true};
constexpr Layout k_w2g32 = with_zero_points(2, 32);
constexpr Layout k_w2g64 = with_zero_points(2, 64);
constexpr Layout k_w2g128 = with_zero_points(2, 128);
constexpr Layout k_w3g32 = with_zero_points(3, 32);
constexpr Layout k_w3g64 = with_zero_points(3, 64);
constexpr Layout k_w3g128 = with_zero_points(3, 128);
constexpr Layout k_w4g32 = with_zero_points(4, 32);
constexpr Layout k_w4g64 = with_zero_points(4, 64);
constexpr Layout k_w4g128 = with_zero_points(4, 128);
constexpr Layout k_w8g32 = with_zero_points(8, 32);
constexpr Layout k_w8g64 = with_zero_points(8, 64);
constexpr Layout k_w8g128 = with_zero_points(8, 128);

// How a type's blocks follow each other, in groups of 32 inputs and bytes: constants, or members
// where code is shared.
template <Layout L>
struct Blocks {
  static constexpr std::size_t groups = L.block / 32;
  static constexpr std::size_t bytes = L.block_bytes();
};
template <Layout L>
requires(L.block == 0) struct Blocks<L> {
  std::size_t groups;
  std::size_t bytes;
};
template <Layout L>
constexpr Blocks<L.shared()> blocks_of() {
  if constexpr (L.shared().block != 0)
    return {};
  else
    return {L.block / 32, L.block_bytes()};
}

// A packed matrix of layout L.
template <Layout L>
struct Matrix {
  const PackedMatrix& packed;
  [[no_unique_address]] Blocks<L> blocks;

  // The block of group `group` of a panel, which must be its first.
  HALFBYTE_INLINE const std::byte* block(std::uint64_t panel, std::size_t group) const {
    return packed.data + (panel * (packed.k / 32) + group) / blocks.groups * blocks.bytes;
  }
};
template <Layout L>
Matrix<L.shared()> matrix_of(const PackedMatrix& packed) {
  return {packed, blocks_of<L>()};
}

constexpr int kParts = static_cast<int>(kPanel) / V::kLanes;

// 32 inputs of one part of a panel: the codes of 8 steps, and scales and mins (of each half).
struct Group {
  typename V::Int codes[8];
  typename V::Float scales[2];
  typename V::Float mins[2];
};

// `planes`: the group's codes, at this part.
template <Layout L>
HALFBYTE_INLINE void load_codes(const std::byte* planes, typename V::Int codes[8]) {
  constexpr int low = L.low_bits();
  constexpr int high = L.bits - low;
  constexpr int chunks = low;  // of 64 bytes
  unroll<chunks>([&](auto c) HALFBYTE_INLINE_LAMBDA {
    const typename V::Int chunk = V::load(planes + 64 * c);
    if constexpr (low == 8) codes[c] = chunk;
    if constexpr (low == 4) {
      codes[c] = V::mask(chunk, 0x0F);
      codes[c + 4] = V::mask(V::template shift<-4>(chunk), 0x0F);
    }
    if constexpr (low == 2) {
      unroll<4>([&](auto j) HALFBYTE_INLINE_LAMBDA {
        codes[4 * c + j] = V::mask(V::template shift<-2 * decltype(j)::value>(chunk), 0x03);
      });
    }
  });
  if constexpr (high != 0) {
    constexpr int steps = 8 / high;  // that share a chunk
    unroll<8>([&](auto s) HALFBYTE_INLINE_LAMBDA {
      constexpr int shift = low - high * (decltype(s)::value % steps);
      const typename V::Int chunk = V::load(planes + 64 * (low + s / steps));
      codes[s] = V::or_masked(codes[s], V::template shift<shift>(chunk), ((1 << high) - 1) << low);
    });
  }
  if constexpr (L.table) {
    unroll<8>([&](auto s) HALFBYTE_INLINE_LAMBDA { codes[s] = V::iq4_codes(codes[s]); });
  } else if constexpr (L.bits == 8) {
    unroll<8>([&](auto s) HALFBYTE_INLINE_LAMBDA { codes[s] = V::from_unsigned(codes[s]); });
  }
}

// Scales and mins of 32 inputs: the `sub`-th of a block.
template <Layout L>
HALFBYTE_INLINE void load_scales(const std::byte* block, std::size_t sub, std::size_t part,
                                 Group& group) {
  const std::byte* lanes = block + 2 * V::kLanes * part;
  const typename V::Float d = V::load_halves(lanes);
  typename V::Float m = d;
  if constexpr (L.has_min && L.sub != Sub::zero) m = V::load_halves(lanes + 32);
  unroll<L.halves()>([&](auto h) HALFBYTE_INLINE_LAMBDA {
    const std::size_t at = 16 * (L.halves() * sub + h) + V::kLanes * part;
    const std::byte* scale = block + L.subs_at() + at;
    if constexpr (L.sub == Sub::none) {
      group.scales[h] = d;
      if constexpr (L.has_min) group.mins[h] = V::negate(m);
    } else if constexpr (L.sub == Sub::zero) {
      const typename V::Float zero = V::load_u8(block + L.subs_at() + V::kLanes * part);
      group.scales[h] = d;
      group.mins[h] = V::mul(d, V::sub(zero, V::broadcast(static_cast<float>(L.offset))));
    } else if constexpr (L.sub == Sub::u8) {
      group.scales[h] = V::mul(d, V::load_u8(scale));
      group.mins[h] = V::mul(m, V::load_u8(block + L.sub_mins_at() + at));
    } else if constexpr (L.sub == Sub::i8) {
      group.scales[h] = V::mul(d, V::load_i8(scale));
    } else {
      group.scales[h] = V::mul(d, V::load_low_nibbles(scale));
      group.mins[h] = V::mul(m, V::load_high_nibbles(scale));
    }
  });
}

template <Layout L>
HALFBYTE_INLINE void load_group(const std::byte* block, std::size_t sub, std::size_t part,
                                Group& group) {
  load_scales<L>(block, sub, part, group);
  load_codes<L>(block + L.codes_at() + sub * L.group_bytes() + 4 * V::kLanes * part, group.codes);
}

// The outputs of a panel that exist in this part: at most kLanes, perhaps none.
inline std::size_t part_outputs(const PackedMatrix& w, std::uint64_t panel, std::size_t part) {
  const std::uint64_t first = panel * kPanel + part * V::kLanes;
  if (first >= w.n) return 0;
  return w.n - first < V::kLanes ? static_cast<std::size_t>(w.n - first) : V::kLanes;
}
