// The elements of four groups, interleaved, and what every search asks of them first.
#pragma once

#include <cstddef>

#include "tensor/blocks/lanes.h"

namespace halfbyte::blocks {

struct LaneGroup {
  const Lanes* x;  // [n]
  const Lanes* w;  // [n], not negative
  std::size_t n;
};

// The first of the values of largest magnitude, with its sign; NaNs are passed over.
inline Lanes signed_peak(const LaneGroup& group) {
  Lanes peak = splat(0.0f);
  for (std::size_t i = 0; i < group.n; ++i) {
    peak = select(magnitude(group.x[i]) > magnitude(peak), group.x[i], peak);
  }
  return peak;
}

struct Extent {
  Lanes min;  // not above 0
  Lanes max;
  Lanes sum_w;
  Lanes sum_wx;
};

inline Extent extent_of(const LaneGroup& group) {
  Extent extent{group.x[0], group.x[0], group.w[0], group.w[0] * group.x[0]};
  for (std::size_t i = 1; i < group.n; ++i) {
    extent.min = smaller(group.x[i], extent.min);
    extent.max = larger(group.x[i], extent.max);
    extent.sum_w += group.w[i];
    extent.sum_wx += group.w[i] * group.x[i];
  }
  extent.min = select(extent.min > 0.0f, splat(0.0f), extent.min);
  return extent;
}

}  // namespace halfbyte::blocks
