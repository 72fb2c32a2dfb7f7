// IQ4_NL and IQ4_XS: 4-bit indices into a fixed table of 16 unevenly spaced levels.
//
//   iq4_nl  32 elements:   d:2 qs:16                          x = d * level[q]
//   iq4_xs  256 elements:  d:2 scales_h:2 scales_l:4 qs:128   x = d * (scale - 32) * level[q]
// Nibbles as in q4_0, for every 32 elements. Scale r of iq4_xs has its low four bits in nibble r of
// scales_l and its high two bits at bit 2 r of scales_h.
#include <algorithm>
#include <array>

#include "base/half.h"
#include "tensor/blocks/block.h"
#include "tensor/blocks/codecs.h"
#include "tensor/blocks/encode.h"
#include "tensor/blocks/iq4_levels.h"
#include "tensor/blocks/packers.h"
#include "tensor/blocks/rounding.h"
#include "tensor/blocks/weights.h"

namespace halfbyte::blocks {

namespace {

void decode_run(const std::uint8_t* qs, float scale, float* x) {
  // Sixteen products instead of one for each element.
  std::array<float, 16> values;
  for (std::size_t i = 0; i < 16; ++i) values[i] = scale * kIq4Levels[i];
  for (std::size_t j = 0; j < 16; ++j) {
    x[j] = values[qs[j] & 15];
    x[j + 16] = values[qs[j] >> 4];
  }
}

void decode_block_nl(const std::uint8_t* block, float* x) {
  decode_run(block + 2, load_half(block), x);
}

void decode_block_xs(const std::uint8_t* block, float* x) {
  const float d = load_half(block);
  const unsigned high = load<std::uint16_t>(block + 2);
  for (std::size_t run = 0; run < 8; ++run) {
    const int low = (block[4 + run / 2] >> (run % 2 * 4)) & 15;
    const int scale = (low | static_cast<int>((high >> (2 * run)) & 3u) << 4) - 32;
    decode_run(block + 8 + run * 16, d * static_cast<float>(scale), x + run * 32);
  }
}

void pack_scales(const GridBlock& block, std::uint8_t* scales_h, std::uint8_t* scales_l) {
  int high = 0;
  for (std::size_t run = 0; run < 8; ++run) high |= block.sub_scale[run] >> 4 << (2 * run);
  store(scales_h, static_cast<std::uint16_t>(high));
  for (std::size_t i = 0; i < 4; ++i) {
    scales_l[i] = static_cast<std::uint8_t>((block.sub_scale[2 * i] & 15) |
                                            (block.sub_scale[2 * i + 1] & 15) << 4);
  }
}

Lanes inverse_or_zeros(Lanes v) {
  return select(v == 0.0f, splat(0.0f), splat(1.0f) / v);
}

FoundScales search_and_code(const LaneGroup& group, Lanes* codes) {
  const FoundScales found = search_iq4(group);
  const Lanes inverse = inverse_or_zeros(found.scale);
  for (std::size_t i = 0; i < group.n; ++i) codes[i] = code_iq4(inverse * group.x[i]);
  return found;
}

// Without codes: those of iq4_xs come from the finished scales.
FoundScales search_only(const LaneGroup& group, Lanes* codes) {
  std::fill_n(codes, group.n, splat(0.0f));
  return search_iq4(group);
}

constexpr SmallEncoder kNlEncoder = {kShapeIq4Nl, search_and_code, false, pack_iq4_nl, 18};

void code_run(const float* x, float inverse, std::uint8_t* codes) {
  for (std::size_t i = 0; i < 32; i += kLanes) {
    const Lanes code = code_iq4(inverse * load_lanes(x + i));
    for (std::size_t lane = 0; lane < kLanes; ++lane) {
      codes[i + lane] = static_cast<std::uint8_t>(code[lane]);
    }
  }
}

// Sub-scales and codes come from the scale before it is rounded to a half.
void encode_block_xs(const float* x, const float* importance, Draft& draft) {
  std::array<float, kMaxBlock> w;
  if (importance == nullptr) {
    weigh_by_size(kShapeIq4Xs, x, w.data());
  } else {
    weigh_by_importance(x, importance, twice_mean_square(x, kMaxBlock), kMaxBlock, w.data());
  }
  search_superblock(kShapeIq4Xs, search_only, x, w.data(), draft);
  GridBlock& block = draft.block;
  const float d = -peak_of(block.scale.data(), 8) / 32.0f;
  block.d = float_to_half(d);
  for (std::size_t run = 0; run < 8; ++run) {
    const int s = std::clamp(nearest_integer(inverse_or_zero(d) * block.scale[run]), -32, 31);
    block.sub_scale[run] = static_cast<std::uint8_t>(s + 32);
    const float inverse = inverse_or_zero(d * static_cast<float>(s));
    code_run(x + run * 32, inverse, draft.codes + run * 32);
  }
}

}  // namespace

void pack_iq4_nl(const GridBlock& block, const std::uint8_t* codes, std::byte* dst) {
  auto* at = reinterpret_cast<std::uint8_t*>(dst);
  store(at, block.d);
  pack_nibbles(codes, at + 2);
}
void pack_iq4_xs(const GridBlock& block, const std::uint8_t* codes, std::byte* dst) {
  auto* at = reinterpret_cast<std::uint8_t*>(dst);
  store(at, block.d);
  pack_scales(block, at + 2, at + 4);
  for (std::size_t run = 0; run < 8; ++run) pack_nibbles(codes + run * 32, at + 8 + run * 16);
}

void decode_iq4_nl(const std::byte* src, float* dst, std::size_t n) {
  decode_each<32, 18, decode_block_nl>(src, dst, n);
}
void decode_iq4_xs(const std::byte* src, float* dst, std::size_t n) {
  decode_each<256, 136, decode_block_xs>(src, dst, n);
}
void encode_iq4_nl(const float* src, std::byte* dst, std::size_t n) {
  encode_small(kNlEncoder, src, nullptr, dst, n);
}
void encode_weighted_iq4_nl(const float* src, const float* importance, std::byte* dst,
                            std::size_t n) {
  encode_small(kNlEncoder, src, importance, dst, n);
}
void encode_iq4_xs(const float* src, std::byte* dst, std::size_t n) {
  encode_superblocks<136, encode_block_xs, pack_iq4_xs>(src, nullptr, dst, n);
}
void encode_weighted_iq4_xs(const float* src, const float* importance, std::byte* dst,
                            std::size_t n) {
  encode_superblocks<136, encode_block_xs, pack_iq4_xs>(src, importance, dst, n);
}

}  // namespace halfbyte::blocks
