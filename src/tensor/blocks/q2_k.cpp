// Q2_K: 256 elements in 16 groups of 16, each with a 4-bit scale and a 4-bit minimum.
//
//   scales:16 qs:64 d:2 dmin:2    x = d * (scale & 15) * q - dmin * (scale >> 4)
// Byte l of the 32 bytes for one half (128 elements) holds element l of each of its four runs of
// 32, the first in the lowest two bits.
#include "tensor/blocks/block.h"
#include "tensor/blocks/codecs.h"
#include "tensor/blocks/encode.h"
#include "tensor/blocks/packers.h"

namespace halfbyte::blocks {

namespace {

void decode_block(const std::uint8_t* block, float* x) {
  const std::uint8_t* qs = block + 16;
  const float d = load_half(block + 80);
  const float dmin = load_half(block + 82);
  for (std::size_t group = 0; group < 16; ++group) {
    const std::size_t run = group / 2;  // of 32 elements
    const std::uint8_t* q = qs + run / 4 * 32 + group % 2 * 16;
    const int shift = static_cast<int>(run % 4 * 2);
    const float scale = d * static_cast<float>(block[group] & 15);
    const float minimum = dmin * static_cast<float>(block[group] >> 4);
    for (std::size_t l = 0; l < 16; ++l) {
      x[group * 16 + l] = scale * static_cast<float>((q[l] >> shift) & 3) - minimum;
    }
  }
}

constexpr AffineEncoder kQ2_KEncoder = {
    kShapeQ2_K,
    [](const LaneGroup& group, Lanes* codes) {
      return search_affine(group, 3.0f, {-0.5f, 0.1f, 15}, AffineRule::absolutes, codes);
    },
    [](const LaneGroup& group, Lanes* codes) { return search_affine_weighted(group, 3.0f, codes); },
    1.0f};

void encode_block_q2_k(const float* x, const float* importance, Draft& draft) {
  encode_affine(kQ2_KEncoder, x, importance, draft);
}

}  // namespace

void pack_q2_k(const GridBlock& block, const std::uint8_t* codes, std::byte* dst) {
  auto* at = reinterpret_cast<std::uint8_t*>(dst);
  for (std::size_t group = 0; group < 16; ++group) {
    at[group] = static_cast<std::uint8_t>(block.sub_scale[group] | block.sub_min[group] << 4);
  }
  pack_two_bits(codes, at + 16);
  store(at + 80, block.d);
  store(at + 82, block.dmin);
}

void decode_q2_k(const std::byte* src, float* dst, std::size_t n) {
  decode_each<256, 84, decode_block>(src, dst, n);
}
void encode_q2_k(const float* src, std::byte* dst, std::size_t n) {
  encode_superblocks<84, encode_block_q2_k, pack_q2_k>(src, nullptr, dst, n);
}
void encode_weighted_q2_k(const float* src, const float* importance, std::byte* dst,
                          std::size_t n) {
  encode_superblocks<84, encode_block_q2_k, pack_q2_k>(src, importance, dst, n);
}

}  // namespace halfbyte::blocks
