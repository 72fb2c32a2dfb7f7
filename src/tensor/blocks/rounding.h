// What the round-to-nearest encoders of the 32-element blocks share.
//
// The bytes must equal those of ggml's reference quantizers, on every input and every CPU. Three
// things decide that:
//
// - Products and sums are rounded separately (the project compiles with -ffp-contract=off). ggml's
//   reference is built for the baseline x86-64, which has no fused multiply-add, and gguf-py
//   multiplies and adds in two numpy operations: all agree. The same C code built for a CPU with
//   FMA fuses `x * id + 8.5` of q4_0 and q5_0: where the rounded product lies on a tie and the
//   exact one just below it, the quant comes out one lower (in 2 to 3 of 1000 blocks of bfloat16
//   numbers, in 2 to 8 of 10^6 blocks of others). kFusedTie in tests/tensor is such a block.
// - Zeros of both signs and NaNs: what a sequential search with < and > finds. gguf-py differs
//   there, in the sign of a zero scale or minimum and in blocks with NaNs; C is followed.
// - Conversions of NaN or out-of-range values to integers, which C++ leaves open. They occur where
//   1 / scale overflows (scales below 2^-128), and with infinities and NaNs in the data. The
//   reference does what x86 does: the low byte of the "integer indefinite" value is 0.
#pragma once

#include <array>
#include <bit>
#include <cfloat>
#include <cmath>
#include <cstddef>
#include <cstdint>

namespace halfbyte::blocks {

inline constexpr std::size_t kBlock = 32;

// trunc(v), where a value that int32 cannot hold becomes 0.
inline std::int32_t truncate(float v) {
  return static_cast<std::int32_t>(std::fabs(v) < 0x1p31f ? v : 0.0f);
}

// Nearest integer, ties away from zero; 0 as above. Adding 0.5 first would round 0.49999997 up.
inline std::int32_t round_away(float v) {
  const float kept = std::fabs(v) < 0x1p31f ? v : 0.0f;
  const auto whole = static_cast<std::int32_t>(kept);
  const float rest = kept - static_cast<float>(whole);
  return whole + static_cast<std::int32_t>(rest >= 0.5f) - static_cast<std::int32_t>(rest <= -0.5f);
}

inline float inverse_or_zero(float scale) {
  return scale != 0.0f ? 1.0f / scale : 0.0f;
}

inline std::int32_t magnitude_bits(float v) {
  return std::bit_cast<std::int32_t>(v) & 0x7FFFFFFF;
}
inline constexpr std::int32_t kInfinityBits = 0x7F800000;

// The value of largest magnitude, with its sign: the first of several; NaNs are passed over; 0 for
// a block of zeros. Magnitudes are compared as integers, which vectorizes.
inline float signed_peak(const float* x) {
  std::int32_t peak = 0;
  for (std::size_t j = 0; j < kBlock; ++j) {
    const std::int32_t bits = magnitude_bits(x[j]);
    const std::int32_t kept = bits > kInfinityBits ? 0 : bits;
    peak = kept > peak ? kept : peak;
  }
  if (peak == 0) return 0.0f;
  std::size_t first = 0;
  while (magnitude_bits(x[first]) != peak) ++first;
  return x[first];
}

struct MinMax {
  float min;
  float max;
};

inline float first_zero(const float* x) {
  while (*x != 0.0f) ++x;
  return *x;
}

// NaNs are passed over. Of zeros of both signs the first one counts, as in a sequential search.
inline MinMax min_max(const float* x) {
  constexpr std::size_t kStrides = 8;
  std::array<float, kStrides> low;
  std::array<float, kStrides> high;
  low.fill(FLT_MAX);
  high.fill(-FLT_MAX);
  for (std::size_t j = 0; j < kBlock; j += kStrides) {
    for (std::size_t i = 0; i < kStrides; ++i) {
      low[i] = x[j + i] < low[i] ? x[j + i] : low[i];
      high[i] = x[j + i] > high[i] ? x[j + i] : high[i];
    }
  }
  MinMax found{low[0], high[0]};
  for (std::size_t i = 1; i < kStrides; ++i) {
    found.min = low[i] < found.min ? low[i] : found.min;
    found.max = high[i] > found.max ? high[i] : found.max;
  }
  if (found.min == 0.0f) found.min = first_zero(x);
  if (found.max == 0.0f) found.max = first_zero(x);
  return found;
}

}  // namespace halfbyte::blocks
