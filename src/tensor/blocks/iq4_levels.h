// The 16 levels of iq4_nl and iq4_xs.
#pragma once

#include <array>

#include "tensor/blocks/lanes.h"

namespace halfbyte::blocks {

// Part of the format (ggml's published block formats).
inline constexpr std::array<float, 16> kIq4Levels = {-127, -104, -83, -65, -49, -35, -22, -10,
                                                     1,    13,   25,  38,  53,  69,  89,  113};

// Nearest level, the upper one in the middle between two; the highest for NaN.
inline Lanes snap_iq4(Lanes v) {
  Lanes level = splat(kIq4Levels[0]);
  for (std::size_t i = 1; i < kIq4Levels.size(); ++i) {
    const float middle = (kIq4Levels[i - 1] + kIq4Levels[i]) / 2;
    const float step = kIq4Levels[i] - kIq4Levels[i - 1];
    level += select(v < middle, splat(0.0f), splat(step));
  }
  return level;
}

}  // namespace halfbyte::blocks
