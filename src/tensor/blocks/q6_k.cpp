// Q6_K: 256 elements in 16 groups of 16, each with a signed 8-bit scale.
//
//   ql:128 qh:64 scales:16 d:2    x = d * scale * (q - 32)
// A half (128 elements, four runs of 32) has 64 bytes of ql: runs 0 and 1 in the low nibbles of its
// first and second 32 bytes, runs 2 and 3 in the high ones; and 32 bytes of qh: two bits a run.
#include <algorithm>
#include <array>
#include <cmath>

#include "base/half.h"
#include "tensor/blocks/block.h"
#include "tensor/blocks/codecs.h"
#include "tensor/blocks/encode.h"
#include "tensor/blocks/grid_fit.h"
#include "tensor/blocks/packers.h"
#include "tensor/blocks/weights.h"

namespace halfbyte::blocks {

namespace {

void decode_block(const std::uint8_t* block, float* x) {
  const std::uint8_t* scales = block + 192;
  const float d = load_half(block + 208);
  for (std::size_t group = 0; group < 16; ++group) {
    const std::size_t half = group / 8;
    const std::size_t run = group / 2 % 4;
    const std::size_t start = group % 2 * 16;
    const std::uint8_t* ql = block + half * 64 + run % 2 * 32 + start;
    const std::uint8_t* qh = block + 128 + half * 32 + start;
    const int low_shift = static_cast<int>(run / 2 * 4);
    const int high_shift = static_cast<int>(run * 2);
    const float scale = d * static_cast<float>(static_cast<std::int8_t>(scales[group]));
    for (std::size_t l = 0; l < 16; ++l) {
      const int level = ((ql[l] >> low_shift) & 15) | (((qh[l] >> high_shift) & 3) << 4);
      x[group * 16 + l] = scale * static_cast<float>(level - 32);
    }
  }
}

// One half of the block: the 128 codes of four runs.
void pack_half(const std::uint8_t* codes, std::uint8_t* ql, std::uint8_t* qh) {
  for (std::size_t l = 0; l < 32; ++l) {
    const std::uint8_t* run = codes + l;
    ql[l] = static_cast<std::uint8_t>((run[0] & 15) | (run[64] & 15) << 4);
    ql[l + 32] = static_cast<std::uint8_t>((run[32] & 15) | (run[96] & 15) << 4);
    qh[l] = static_cast<std::uint8_t>(run[0] >> 4 | run[32] >> 4 << 2 | run[64] >> 4 << 4 |
                                      run[96] >> 4 << 6);
  }
}

constexpr float kNearlyZero = 1e-15f;

FoundScales search_levels(const LaneGroup& group, Lanes* codes) {
  return search_signed(group, 32.0f, codes);
}

// The scale of largest magnitude becomes -128.
void divide_by_peak(float peak, GridBlock& block) {
  const float inverse = -128.0f / peak;
  block.d = float_to_half(1.0f / inverse);
  for (std::size_t g = 0; g < kMaxGroups; ++g) {
    const int s = std::min(127, nearest_integer(inverse * block.scale[g]));
    block.sub_scale[g] = static_cast<std::uint8_t>(s);
  }
}

// Importance weighs as it is.
void encode_block(const float* x, const float* importance, Draft& draft) {
  std::array<float, kMaxBlock> sizes;
  if (importance == nullptr) weigh_by_size(kShapeQ6_K, x, sizes.data());
  const float* w = importance != nullptr ? importance : sizes.data();
  search_superblock(kShapeQ6_K, search_levels, x, w, draft);
  const float peak = peak_of(draft.block.scale.data(), kMaxGroups);
  if (std::fabs(peak) < kNearlyZero) {
    draft = {};
    return;
  }
  divide_by_peak(peak, draft.block);
  expand(kShapeQ6_K, draft.block);
  code_again(kShapeQ6_K, x, draft);
}

}  // namespace

void pack_q6_k(const GridBlock& block, const std::uint8_t* codes, std::byte* dst) {
  auto* at = reinterpret_cast<std::uint8_t*>(dst);
  for (std::size_t half = 0; half < 2; ++half) {
    pack_half(codes + half * 128, at + half * 64, at + 128 + half * 32);
  }
  std::copy(block.sub_scale.begin(), block.sub_scale.end(), at + 192);
  store(at + 208, block.d);
}

void decode_q6_k(const std::byte* src, float* dst, std::size_t n) {
  decode_each<256, 210, decode_block>(src, dst, n);
}
void encode_q6_k(const float* src, std::byte* dst, std::size_t n) {
  encode_superblocks<210, encode_block, pack_q6_k>(src, nullptr, dst, n);
}
void encode_weighted_q6_k(const float* src, const float* importance, std::byte* dst,
                          std::size_t n) {
  encode_superblocks<210, encode_block, pack_q6_k>(src, importance, dst, n);
}

}  // namespace halfbyte::blocks
