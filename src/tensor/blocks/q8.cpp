// Q8_0: 32 elements, a half scale d, signed 8-bit quants: d:2 qs:32, x = d * q.
#include "tensor/blocks/block.h"
#include "tensor/blocks/codecs.h"
#include "tensor/blocks/packers.h"
#include "tensor/blocks/rounding.h"

namespace halfbyte::blocks {

namespace {

void decode_block(const std::uint8_t* block, float* x) {
  const float d = load_half(block);
  for (std::size_t j = 0; j < kBlock; ++j) {
    x[j] = static_cast<float>(static_cast<std::int8_t>(block[2 + j])) * d;
  }
}

// The largest magnitude. The reference's running maximum starts afresh after a NaN (and is NaN
// where the last element is), so that a block with NaNs takes the sequential way.
float peak_magnitude(const float* x) {
  std::int32_t peak = 0;
  for (std::size_t j = 0; j < kBlock; ++j) {
    const std::int32_t bits = magnitude_bits(x[j]);
    peak = bits > peak ? bits : peak;
  }
  if (peak <= kInfinityBits) return std::bit_cast<float>(peak);
  float running = 0.0f;
  for (std::size_t j = 0; j < kBlock; ++j) {
    const float v = std::fabs(x[j]);
    running = running > v ? running : v;
  }
  return running;
}

void encode_block(const float* x, std::uint8_t* block) {
  const float d = peak_magnitude(x) / 127.0f;
  const float id = inverse_or_zero(d);
  store_half(block, d);
  for (std::size_t j = 0; j < kBlock; ++j) {
    block[2 + j] = static_cast<std::uint8_t>(round_away(x[j] * id));
  }
}

}  // namespace

void pack_q8_0(const GridBlock& block, const std::uint8_t* codes, std::byte* dst) {
  auto* at = reinterpret_cast<std::uint8_t*>(dst);
  store(at, block.d);
  for (std::size_t j = 0; j < kBlock; ++j) at[2 + j] = static_cast<std::uint8_t>(codes[j] - 127);
}

void decode_q8_0(const std::byte* src, float* dst, std::size_t n) {
  decode_each<kBlock, 34, decode_block>(src, dst, n);
}
void encode_q8_0(const float* src, std::byte* dst, std::size_t n) {
  encode_each<kBlock, 34, encode_block>(src, dst, n);
}
void encode_weighted_q8_0(const float* src, const float*, std::byte* dst, std::size_t n) {
  encode_q8_0(src, dst, n);
}

}  // namespace halfbyte::blocks
