// Q3_K: 256 elements in 16 groups of 16, each with a 6-bit scale.
//
//   hmask:32 qs:64 scales:12 d:2    x = d * (scale - 32) * (q - 4)
// qs holds the low two bits as in q2_k; bit r of hmask[l] is the third bit of element l of run r
// (of 32). Byte i % 8 of scales holds the low four bits of scale i (the second eight in the high
// nibbles), byte 8 + i % 4 its high two bits at bit i / 4 * 2.
#include <algorithm>
#include <array>

#include "base/half.h"
#include "tensor/blocks/block.h"
#include "tensor/blocks/codecs.h"
#include "tensor/blocks/encode.h"
#include "tensor/blocks/grid_fit.h"
#include "tensor/blocks/packers.h"
#include "tensor/blocks/weights.h"

namespace halfbyte::blocks {

namespace {

int group_scale(const std::uint8_t* scales, std::size_t group) {
  const int low = (scales[group % 8] >> (group / 8 * 4)) & 15;
  const int high = (scales[8 + group % 4] >> (group / 4 * 2)) & 3;
  return (low | (high << 4)) - 32;
}

void decode_block(const std::uint8_t* block, float* x) {
  const std::uint8_t* hmask = block;
  const std::uint8_t* qs = block + 32;
  const std::uint8_t* scales = block + 96;
  const float d = load_half(block + 108);
  for (std::size_t group = 0; group < 16; ++group) {
    const std::size_t run = group / 2;
    const std::uint8_t* q = qs + run / 4 * 32 + group % 2 * 16;
    const std::uint8_t* h = hmask + group % 2 * 16;
    const int shift = static_cast<int>(run % 4 * 2);
    const int bit = static_cast<int>(run);
    const float scale = d * static_cast<float>(group_scale(scales, group));
    for (std::size_t l = 0; l < 16; ++l) {
      const int level = ((q[l] >> shift) & 3) + ((h[l] >> bit) & 1) * 4 - 4;
      x[group * 16 + l] = scale * static_cast<float>(level);
    }
  }
}

void pack_scales(const GridBlock& block, std::uint8_t* scales) {
  const auto& s = block.sub_scale;
  for (std::size_t i = 0; i < 8; ++i) {
    scales[i] = static_cast<std::uint8_t>((s[i] & 15) | (s[i + 8] & 15) << 4);
  }
  for (std::size_t i = 0; i < 4; ++i) {
    scales[8 + i] = static_cast<std::uint8_t>(s[i] >> 4 | s[i + 4] >> 4 << 2 | s[i + 8] >> 4 << 4 |
                                              s[i + 12] >> 4 << 6);
  }
}

void pack_third_bits(const std::uint8_t* codes, std::uint8_t* hmask) {
  for (std::size_t l = 0; l < 32; ++l) {
    int bits = 0;
    for (std::size_t run = 0; run < 8; ++run) bits |= (codes[run * 32 + l] >> 2) << run;
    hmask[l] = static_cast<std::uint8_t>(bits);
  }
}

// Without importance: the scale of largest magnitude becomes -32.
void divide_by_peak(GridBlock& block) {
  const float peak = peak_of(block.scale.data(), kMaxGroups);
  if (peak == 0.0f) return;  // scales of zero bytes
  const float inverse = -32.0f / peak;
  for (std::size_t g = 0; g < kMaxGroups; ++g) {
    const auto s = static_cast<std::int8_t>(nearest_integer(inverse * block.scale[g]));
    block.sub_scale[g] = static_cast<std::uint8_t>(std::clamp<int>(s, -32, 31) + 32);
  }
  block.d = float_to_half(1.0f / inverse);
}

// With importance the scales are quantized as the elements are.
void search_scales(const float* w, GridBlock& block) {
  std::array<float, kMaxGroups> sums;
  std::array<Lanes, kMaxGroups> scales;
  std::array<Lanes, kMaxGroups> weights;
  std::array<Lanes, kMaxGroups> codes;
  sum_groups(kShapeQ3_K, w, sums.data());
  interleave(block.scale.data(), 0, kMaxGroups, scales.data());
  interleave(sums.data(), 0, kMaxGroups, weights.data());
  const LaneGroup group{scales.data(), weights.data(), kMaxGroups};
  block.d = float_to_half(search_signed(group, 32.0f, codes.data()).scale[0]);
  for (std::size_t g = 0; g < kMaxGroups; ++g) {
    block.sub_scale[g] = static_cast<std::uint8_t>(codes[g][0]);
  }
}

FoundScales search_levels(const LaneGroup& group, Lanes* codes) {
  return search_signed(group, 4.0f, codes);
}
FoundScales descend_levels(const LaneGroup& group, Lanes* codes) {
  return descend_signed(group, 4.0f, codes);
}

void encode_block(const float* x, const float* importance, Draft& draft) {
  std::array<float, kMaxBlock> w;
  weigh_superblock(kShapeQ3_K, 2.0f, x, importance, w.data());
  search_superblock(kShapeQ3_K, importance == nullptr ? descend_levels : search_levels, x, w.data(),
                    draft);
  if (importance == nullptr) {
    divide_by_peak(draft.block);
  } else {
    search_scales(w.data(), draft.block);
  }
  expand(kShapeQ3_K, draft.block);
  code_again(kShapeQ3_K, x, draft);
}

}  // namespace

void pack_q3_k(const GridBlock& block, const std::uint8_t* codes, std::byte* dst) {
  auto* at = reinterpret_cast<std::uint8_t*>(dst);
  pack_third_bits(codes, at);
  pack_two_bits(codes, at + 32);
  pack_scales(block, at + 96);
  store(at + 108, block.d);
}

void decode_q3_k(const std::byte* src, float* dst, std::size_t n) {
  decode_each<256, 110, decode_block>(src, dst, n);
}
void encode_q3_k(const float* src, std::byte* dst, std::size_t n) {
  encode_superblocks<110, encode_block, pack_q3_k>(src, nullptr, dst, n);
}
void encode_weighted_q3_k(const float* src, const float* importance, std::byte* dst,
                          std::size_t n) {
  encode_superblocks<110, encode_block, pack_q3_k>(src, importance, dst, n);
}

}  // namespace halfbyte::blocks
