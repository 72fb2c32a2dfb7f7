// The second half of fitting a superblock: sub-scales and minimums as integers, judged by the error
// of the elements, and d and dmin again for these.
#pragma once

#include <array>
#include <cstddef>

#include "tensor/blocks/group_fit.h"
#include "tensor/blocks/shapes.h"

namespace halfbyte::blocks {

// Scale d * s and minimum dmin * m by group; s and m hold integers.
struct SuperScales {
  float d;
  float dmin;
  std::array<float, kMaxGroups> s;
  std::array<float, kMaxGroups> m;
};

// groups[shape.groups / kLanes] are the elements, weighted. d and dmin stay halves, s and m in
// their ranges; the weighted error does not grow.
void refine(const BlockShape& shape, const LaneGroup* groups, SuperScales& scales);

}  // namespace halfbyte::blocks
