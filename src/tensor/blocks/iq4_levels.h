// The 16 levels of iq4_nl and iq4_xs.
#pragma once

#include <array>

#include "tensor/blocks/lanes.h"

namespace halfbyte::blocks {

// Part of the format (ggml's published block formats).
inline constexpr std::array<float, 16> kIq4Levels = {-127, -104, -83, -65, -49, -35, -22, -10,
                                                     1,    13,   25,  38,  53,  69,  89,  113};

// The sum of kStep(i) for the levels i = 1, 2, .. up to the one nearest to v: the upper one in the
// middle between two, the highest for NaN.
template <auto kStep>
Lanes climb_iq4(Lanes v, float lowest) {
  Lanes sum = splat(lowest);
  for (std::size_t i = 1; i < kIq4Levels.size(); ++i) {
    const float middle = (kIq4Levels[i - 1] + kIq4Levels[i]) / 2;
    sum += select(v < middle, splat(0.0f), splat(kStep(i)));
  }
  return sum;
}

// The nearest level, and its code.
inline Lanes snap_iq4(Lanes v) {
  return climb_iq4<[](std::size_t i) { return kIq4Levels[i] - kIq4Levels[i - 1]; }>(v,
                                                                                    kIq4Levels[0]);
}
inline Lanes code_iq4(Lanes v) {
  return climb_iq4<[](std::size_t) { return 1.0f; }>(v, 0.0f);
}

// Level by twice the offset from -128: for values in steps of a half, which is where the middles
// between levels lie.
inline constexpr auto kIq4Steps = [] {
  std::array<float, 512> levels{};
  std::size_t code = 0;
  for (std::size_t i = 0; i < levels.size(); ++i) {
    const float twice = static_cast<float>(i) - 256.0f;
    while (code < 15 && twice >= kIq4Levels[code] + kIq4Levels[code + 1]) ++code;
    levels[i] = kIq4Levels[code];
  }
  return levels;
}();

// The nearest level by that table: faster, but not exact within a rounding of the middles.
inline Lanes snap_iq4_nearly(Lanes v) {
  const Lanes place = clamp((v + 128.0f) * 2.0f, splat(0.0f), splat(511.0f));
  const IntLanes at = __builtin_convertvector(place, IntLanes);
  return Lanes{
      kIq4Steps[static_cast<std::size_t>(at[0])], kIq4Steps[static_cast<std::size_t>(at[1])],
      kIq4Steps[static_cast<std::size_t>(at[2])], kIq4Steps[static_cast<std::size_t>(at[3])]};
}

}  // namespace halfbyte::blocks
