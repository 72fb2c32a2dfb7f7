// Half precision (IEEE binary16) and bfloat16 as bit patterns, converted in software.
//
// Rounding is to nearest, ties to even. These are the reference; kernels use the CPU's own
// conversions, which agree bit for bit, except for NaNs: they stay NaNs, but float_to_half drops
// the payload (as ggml does) where CPUs keep its upper bits.
#pragma once

#include <bit>
#include <cstdint>

namespace halfbyte {

inline float half_to_float(std::uint16_t h) {
  const std::uint32_t sign = static_cast<std::uint32_t>(h & 0x8000u) << 16;
  const std::uint32_t exponent = (h >> 10) & 0x1Fu;
  const std::uint32_t mantissa = h & 0x3FFu;
  std::uint32_t magnitude = 0;
  if (exponent == 0x1F) {                                                           // infinity, NaN
    magnitude = 0x7F800000u | (mantissa << 13) | (mantissa != 0 ? 0x400000u : 0u);  // quiet
  } else if (exponent == 0) {  // subnormal: a multiple of 2^-24, exact in a float
    magnitude = std::bit_cast<std::uint32_t>(static_cast<float>(mantissa) * 0x1p-24f);
  } else {
    magnitude = ((exponent + 112u) << 23) | (mantissa << 13);
  }
  return std::bit_cast<float>(sign | magnitude);
}

inline std::uint16_t float_to_half(float f) {
  const std::uint32_t bits = std::bit_cast<std::uint32_t>(f);
  const std::uint32_t sign = (bits >> 16) & 0x8000u;
  std::uint32_t magnitude = bits & 0x7FFFFFFFu;
  if (magnitude > 0x7F800000u) return static_cast<std::uint16_t>(sign | 0x7E00u);
  if (magnitude >= 0x477FF000u)
    return static_cast<std::uint16_t>(sign | 0x7C00u);  // rounds past 65504
  if (magnitude < 0x38800000u) {
    // Below 2^-14 a half counts in steps of 2^-24, which is the last place of a float in [0.5, 1).
    const float shifted = std::bit_cast<float>(magnitude) + 0.5f;
    return static_cast<std::uint16_t>(sign | (std::bit_cast<std::uint32_t>(shifted) - 0x3F000000u));
  }
  magnitude += 0xFFFu + ((magnitude >> 13) & 1u);
  return static_cast<std::uint16_t>(sign | ((magnitude - (112u << 23)) >> 13));
}

inline float bfloat16_to_float(std::uint16_t b) {
  return std::bit_cast<float>(static_cast<std::uint32_t>(b) << 16);
}

inline std::uint16_t float_to_bfloat16(float f) {
  const std::uint32_t w = std::bit_cast<std::uint32_t>(f);
  if ((w & 0x7FFFFFFFu) > 0x7F800000u) return static_cast<std::uint16_t>((w >> 16) | 0x40u);
  return static_cast<std::uint16_t>((w + (0x7FFFu + ((w >> 16) & 1u))) >> 16);
}

}  // namespace halfbyte
