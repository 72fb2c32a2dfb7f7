// Q5_0 and Q5_1: 32 elements, a half scale d (and minimum m), 5-bit quants.
//
//   q5_0  d:2 qh:4 qs:16        x = d * (q - 16)
//   q5_1  d:2 m:2 qh:4 qs:16    x = d * q + m
// qs as in q4_0 holds the low four bits; bit j of qh is the fifth bit of element j.
#include <algorithm>

#include "tensor/blocks/block.h"
#include "tensor/blocks/codecs.h"
#include "tensor/blocks/encode.h"
#include "tensor/blocks/packers.h"
#include "tensor/blocks/rounding.h"

namespace halfbyte::blocks {

namespace {

// The 32 quants [0, 31] of qh and the qs that follow it.
std::array<std::uint8_t, kBlock> unpack(const std::uint8_t* qh) {
  const auto high = load<std::uint32_t>(qh);
  const std::uint8_t* qs = qh + 4;
  std::array<std::uint8_t, kBlock> q;
  for (std::uint32_t j = 0; j < kBlock; ++j) {
    q[j] = static_cast<std::uint8_t>(((high >> j) & 1u) << 4);
  }
  for (std::size_t j = 0; j < kBlock / 2; ++j) {
    q[j] = static_cast<std::uint8_t>(q[j] | (qs[j] & 15));
    q[j + kBlock / 2] = static_cast<std::uint8_t>(q[j + kBlock / 2] | (qs[j] >> 4));
  }
  return q;
}

void pack(const std::uint8_t* q, std::uint8_t* qh) {
  std::uint32_t high = 0;
  for (std::uint32_t j = 0; j < kBlock; ++j) {
    high |= ((static_cast<std::uint32_t>(q[j]) >> 4) & 1u) << j;
  }
  store(qh, high);
  pack_nibbles(q, qh + 4);
}

void decode_block_q5_0(const std::uint8_t* block, float* x) {
  const float d = load_half(block);
  const auto q = unpack(block + 2);
  for (std::size_t j = 0; j < kBlock; ++j) x[j] = d * static_cast<float>(q[j] - 16);
}

void decode_block_q5_1(const std::uint8_t* block, float* x) {
  const float d = load_half(block);
  const float m = load_half(block + 2);
  const auto q = unpack(block + 4);
  for (std::size_t j = 0; j < kBlock; ++j) x[j] = d * static_cast<float>(q[j]) + m;
}

void encode_block_q5_0(const float* x, std::uint8_t* block) {
  const float d = signed_peak(x) / -16.0f;
  const float id = inverse_or_zero(d);
  std::array<std::uint8_t, kBlock> q;
  for (std::size_t j = 0; j < kBlock; ++j) {
    const auto level = static_cast<std::int8_t>(truncate(x[j] * id + 16.5f));
    q[j] = static_cast<std::uint8_t>(std::min<std::int8_t>(level, 31));
  }
  store_half(block, d);
  pack(q.data(), block + 2);
}

void encode_block_q5_1(const float* x, std::uint8_t* block) {
  const auto [min, max] = min_max(x);
  const float d = (max - min) / 31.0f;
  const float id = inverse_or_zero(d);
  std::array<std::uint8_t, kBlock> q;
  for (std::size_t j = 0; j < kBlock; ++j) {
    q[j] = static_cast<std::uint8_t>(truncate((x[j] - min) * id + 0.5f));
  }
  store_half(block, d);
  store_half(block + 2, min);
  pack(q.data(), block + 4);
}

constexpr SmallEncoder kQ5_0Encoder = {
    kShapeQ5_0,
    [](const LaneGroup& group, Lanes* codes) { return search_signed(group, 16.0f, codes); }, true,
    pack_q5_0, 22};
constexpr SmallEncoder kQ5_1Encoder = {kShapeQ5_1,
                                       [](const LaneGroup& group, Lanes* codes) {
                                         return search_affine_weighted(group, 31.0f, codes);
                                       },
                                       true, pack_q5_1, 24};

}  // namespace

void pack_q5_0(const GridBlock& block, const std::uint8_t* codes, std::byte* dst) {
  auto* at = reinterpret_cast<std::uint8_t*>(dst);
  store(at, block.d);
  pack(codes, at + 2);
}
void pack_q5_1(const GridBlock& block, const std::uint8_t* codes, std::byte* dst) {
  auto* at = reinterpret_cast<std::uint8_t*>(dst);
  store(at, block.d);
  store(at + 2, block.dmin);
  pack(codes, at + 4);
}

void decode_q5_0(const std::byte* src, float* dst, std::size_t n) {
  decode_each<kBlock, 22, decode_block_q5_0>(src, dst, n);
}
void decode_q5_1(const std::byte* src, float* dst, std::size_t n) {
  decode_each<kBlock, 24, decode_block_q5_1>(src, dst, n);
}
void encode_q5_0(const float* src, std::byte* dst, std::size_t n) {
  encode_each<kBlock, 22, encode_block_q5_0>(src, dst, n);
}
void encode_q5_1(const float* src, std::byte* dst, std::size_t n) {
  encode_each<kBlock, 24, encode_block_q5_1>(src, dst, n);
}
void encode_weighted_q5_0(const float* src, const float* importance, std::byte* dst,
                          std::size_t n) {
  encode_small(kQ5_0Encoder, src, importance, dst, n);
}
void encode_weighted_q5_1(const float* src, const float* importance, std::byte* dst,
                          std::size_t n) {
  encode_small(kQ5_1Encoder, src, importance, dst, n);
}

}  // namespace halfbyte::blocks
