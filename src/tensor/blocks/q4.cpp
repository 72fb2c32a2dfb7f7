// Q4_0 and Q4_1: 32 elements, a half scale d (and minimum m), 4-bit quants.
//
//   q4_0  d:2 qs:16        x = d * (q - 8)
//   q4_1  d:2 m:2 qs:16    x = d * q + m
// Byte j of qs holds element j in its low nibble and element j + 16 in its high nibble.
#include <algorithm>

#include "tensor/blocks/block.h"
#include "tensor/blocks/codecs.h"
#include "tensor/blocks/encode.h"
#include "tensor/blocks/packers.h"
#include "tensor/blocks/rounding.h"

namespace halfbyte::blocks {

namespace {

void decode_block_q4_0(const std::uint8_t* block, float* x) {
  const float d = load_half(block);
  const std::uint8_t* qs = block + 2;
  for (std::size_t j = 0; j < kBlock / 2; ++j) {
    x[j] = d * static_cast<float>((qs[j] & 15) - 8);
    x[j + kBlock / 2] = d * static_cast<float>((qs[j] >> 4) - 8);
  }
}

void decode_block_q4_1(const std::uint8_t* block, float* x) {
  const float d = load_half(block);
  const float m = load_half(block + 2);
  const std::uint8_t* qs = block + 4;
  for (std::size_t j = 0; j < kBlock / 2; ++j) {
    x[j] = d * static_cast<float>(qs[j] & 15) + m;
    x[j + kBlock / 2] = d * static_cast<float>(qs[j] >> 4) + m;
  }
}

// qs of round((x - shift) * id + offset), where `offset` holds the 0.5 of rounding.
void encode_nibbles(const float* x, float shift, float id, float offset, std::uint8_t* qs) {
  std::array<std::uint8_t, kBlock> q;
  for (std::size_t j = 0; j < kBlock; ++j) {
    const auto level = static_cast<std::int8_t>(truncate((x[j] - shift) * id + offset));
    q[j] = static_cast<std::uint8_t>(std::min<std::int8_t>(level, 15));
  }
  pack_nibbles(q.data(), qs);
}

void encode_block_q4_0(const float* x, std::uint8_t* block) {
  const float d = signed_peak(x) / -8.0f;
  store_half(block, d);
  encode_nibbles(x, 0.0f, inverse_or_zero(d), 8.5f, block + 2);
}

void encode_block_q4_1(const float* x, std::uint8_t* block) {
  const auto [min, max] = min_max(x);
  const float d = (max - min) / 15.0f;
  store_half(block, d);
  store_half(block + 2, min);
  encode_nibbles(x, min, inverse_or_zero(d), 0.5f, block + 4);
}

constexpr SmallEncoder kQ4_0Encoder = {
    kShapeQ4_0,
    [](const LaneGroup& group, Lanes* codes) { return search_signed(group, 8.0f, codes); }, true,
    pack_q4_0, 18};
constexpr SmallEncoder kQ4_1Encoder = {kShapeQ4_1,
                                       [](const LaneGroup& group, Lanes* codes) {
                                         return search_affine_weighted(group, 15.0f, codes);
                                       },
                                       true, pack_q4_1, 20};

}  // namespace

void pack_q4_0(const GridBlock& block, const std::uint8_t* codes, std::byte* dst) {
  auto* at = reinterpret_cast<std::uint8_t*>(dst);
  store(at, block.d);
  pack_nibbles(codes, at + 2);
}
void pack_q4_1(const GridBlock& block, const std::uint8_t* codes, std::byte* dst) {
  auto* at = reinterpret_cast<std::uint8_t*>(dst);
  store(at, block.d);
  store(at + 2, block.dmin);
  pack_nibbles(codes, at + 4);
}

void decode_q4_0(const std::byte* src, float* dst, std::size_t n) {
  decode_each<kBlock, 18, decode_block_q4_0>(src, dst, n);
}
void decode_q4_1(const std::byte* src, float* dst, std::size_t n) {
  decode_each<kBlock, 20, decode_block_q4_1>(src, dst, n);
}
void encode_q4_0(const float* src, std::byte* dst, std::size_t n) {
  encode_each<kBlock, 18, encode_block_q4_0>(src, dst, n);
}
void encode_q4_1(const float* src, std::byte* dst, std::size_t n) {
  encode_each<kBlock, 20, encode_block_q4_1>(src, dst, n);
}
void encode_weighted_q4_0(const float* src, const float* importance, std::byte* dst,
                          std::size_t n) {
  encode_small(kQ4_0Encoder, src, importance, dst, n);
}
void encode_weighted_q4_1(const float* src, const float* importance, std::byte* dst,
                          std::size_t n) {
  encode_small(kQ4_1Encoder, src, importance, dst, n);
}

}  // namespace halfbyte::blocks
