// Rows of plain numbers: one element after the other, no blocks.
#include <cstring>

#include "tensor/blocks/block.h"
#include "tensor/blocks/codecs.h"

namespace halfbyte::blocks {

namespace {

template <typename T>
float as_float(T value) {
  return static_cast<float>(value);
}

template <typename T, auto kConvert>
void decode_plain(const std::byte* src, float* dst, std::size_t n) {
  const auto* at = reinterpret_cast<const std::uint8_t*>(src);
  for (std::size_t i = 0; i < n; ++i) dst[i] = kConvert(load<T>(at + i * sizeof(T)));
}

template <auto kConvert>
void encode_16_bits(const float* src, std::byte* dst, std::size_t n) {
  auto* at = reinterpret_cast<std::uint8_t*>(dst);
  for (std::size_t i = 0; i < n; ++i) store<std::uint16_t>(at + 2 * i, kConvert(src[i]));
}

}  // namespace

void decode_f32(const std::byte* src, float* dst, std::size_t n) {
  if (n > 0) std::memcpy(dst, src, n * sizeof(float));
}
void encode_f32(const float* src, std::byte* dst, std::size_t n) {
  if (n > 0) std::memcpy(dst, src, n * sizeof(float));
}

void decode_f16(const std::byte* src, float* dst, std::size_t n) {
  decode_plain<std::uint16_t, half_to_float>(src, dst, n);
}
void encode_f16(const float* src, std::byte* dst, std::size_t n) {
  encode_16_bits<float_to_half>(src, dst, n);
}

void decode_bf16(const std::byte* src, float* dst, std::size_t n) {
  decode_plain<std::uint16_t, bfloat16_to_float>(src, dst, n);
}
void encode_bf16(const float* src, std::byte* dst, std::size_t n) {
  encode_16_bits<float_to_bfloat16>(src, dst, n);
}

void decode_f64(const std::byte* src, float* dst, std::size_t n) {
  decode_plain<double, as_float<double>>(src, dst, n);
}
void decode_i8(const std::byte* src, float* dst, std::size_t n) {
  decode_plain<std::int8_t, as_float<std::int8_t>>(src, dst, n);
}
void decode_u8(const std::byte* src, float* dst, std::size_t n) {
  decode_plain<std::uint8_t, as_float<std::uint8_t>>(src, dst, n);
}
void decode_i16(const std::byte* src, float* dst, std::size_t n) {
  decode_plain<std::int16_t, as_float<std::int16_t>>(src, dst, n);
}
void decode_i32(const std::byte* src, float* dst, std::size_t n) {
  decode_plain<std::int32_t, as_float<std::int32_t>>(src, dst, n);
}

}  // namespace halfbyte::blocks
