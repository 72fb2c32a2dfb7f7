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

// The low nibbles of 32 codes: element j in the low half of byte j, j + 16 in the high one.
inline void pack_nibbles(const std::uint8_t* codes, std::uint8_t* qs) {
  for (std::size_t j = 0; j < 16; ++j) {
    qs[j] = static_cast<std::uint8_t>((codes[j] & 15) | (codes[j + 16] & 15) << 4);
  }
}

// The low two bits of 256 codes: byte l of the 32 bytes for one half holds element l of each of its
// four runs of 32, the first in the lowest bits.
inline void pack_two_bits(const std::uint8_t* codes, std::uint8_t* qs) {
  for (std::size_t i = 0; i < 64; ++i) {
    const std::uint8_t* at = codes + i / 32 * 128 + i % 32;
    qs[i] = static_cast<std::uint8_t>((at[0] & 3) | (at[32] & 3) << 2 | (at[64] & 3) << 4 |
                                      (at[96] & 3) << 6);
  }
}

}  // namespace halfbyte::blocks
