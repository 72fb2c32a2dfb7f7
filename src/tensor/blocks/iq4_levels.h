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

}  // namespace halfbyte::blocks
