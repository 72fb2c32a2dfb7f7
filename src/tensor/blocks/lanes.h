// Four searches side by side: the vector the quantizers' searches are written over.
//
// A lane is one group of elements (of the groups of a superblock), or one candidate for the scale
// of a single group. Every lane computes what a scalar loop would, operation by operation: sums run
// over the elements in order, so that results are the same on every CPU and compiler.
#pragma once

#include <bit>
#include <cstddef>
#include <cstdint>
#include <cstring>

namespace halfbyte::blocks {

inline constexpr std::size_t kLanes = 4;
using Lanes = float __attribute__((vector_size(16)));
using IntLanes = std::int32_t __attribute__((vector_size(16)));  // masks too: 0 or -1

inline Lanes splat(float v) {
  return Lanes{v, v, v, v};
}

inline Lanes load_lanes(const float* at) {
  Lanes v;
  std::memcpy(&v, at, sizeof(v));
  return v;
}

inline void store_lanes(float* at, Lanes v) {
  std::memcpy(at, &v, sizeof(v));
}

inline Lanes select(IntLanes mask, Lanes yes, Lanes no) {
  return mask ? yes : no;
}

// b where the lane of a is NaN.
inline Lanes smaller(Lanes a, Lanes b) {
  return a < b ? a : b;
}
inline Lanes larger(Lanes a, Lanes b) {
  return a > b ? a : b;
}
inline Lanes clamp(Lanes v, Lanes low, Lanes high) {
  return smaller(larger(v, low), high);
}

inline Lanes magnitude(Lanes v) {
  return reinterpret_cast<Lanes>(reinterpret_cast<IntLanes>(v) & 0x7FFFFFFF);
}

inline Lanes inverse(Lanes v) {
  return splat(1.0f) / v;
}

inline bool any(IntLanes mask) {
  return (mask[0] | mask[1] | mask[2] | mask[3]) != 0;
}

// Adding 1.5 * 2^23 leaves no bits behind the point: the nearest integer, ties to even.
inline constexpr float kRoundingShift = 12582912.0f;

// For magnitudes up to 2^22.
inline Lanes round_even(Lanes v) {
  return (v + kRoundingShift) - kRoundingShift;
}

// The same, and beyond 2^22 (infinities and NaNs too) what ggml's nearest_int makes of the low 23
// bits of the shifted number.
inline Lanes round_any(Lanes v) {
  const IntLanes shifted = reinterpret_cast<IntLanes>(v + kRoundingShift);
  // 2^23 + those bits, as a float
  return reinterpret_cast<Lanes>((shifted & 0x7FFFFF) | 0x4B000000) - kRoundingShift;
}

// One number, as by round_any.
inline int nearest_integer(float v) {
  return (std::bit_cast<std::int32_t>(v + kRoundingShift) & 0x7FFFFF) - 0x400000;
}

// lanes[i] = element i of each of four groups that lie `stride` apart (0: of the same one).
inline void interleave(const float* x, std::size_t stride, std::size_t n, Lanes* lanes) {
  for (std::size_t i = 0; i < n; ++i) {
    lanes[i] = Lanes{x[i], x[stride + i], x[2 * stride + i], x[3 * stride + i]};
  }
}

}  // namespace halfbyte::blocks
