// Helpers of the block codecs: unaligned fields and the loop over the blocks of a row.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>

#include "base/half.h"

namespace halfbyte::blocks {

template <typename T>
T load(const std::uint8_t* at) {
  T value;
  std::memcpy(&value, at, sizeof(T));
  return value;
}

template <typename T>
void store(std::uint8_t* at, T value) {
  std::memcpy(at, &value, sizeof(T));
}

inline float load_half(const std::uint8_t* at) {
  return half_to_float(load<std::uint16_t>(at));
}

inline void store_half(std::uint8_t* at, float value) {
  store(at, float_to_half(value));
}

// kDecode(block, floats) for each block of kBytes bytes and kElements floats.
template <std::size_t kElements, std::size_t kBytes, auto kDecode>
void decode_each(const std::byte* src, float* dst, std::size_t n) {
  const auto* block = reinterpret_cast<const std::uint8_t*>(src);
  for (std::size_t i = 0; i < n; i += kElements, block += kBytes) kDecode(block, dst + i);
}

// kEncode(floats, block) for each block.
template <std::size_t kElements, std::size_t kBytes, auto kEncode>
void encode_each(const float* src, std::byte* dst, std::size_t n) {
  auto* block = reinterpret_cast<std::uint8_t*>(dst);
  for (std::size_t i = 0; i < n; i += kElements, block += kBytes) kEncode(src + i, block);
}

}  // namespace halfbyte::blocks
