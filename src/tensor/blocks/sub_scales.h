// The two levels of scales of a superblock: a half d, and small integers for the groups.
#pragma once

#include <cstddef>
#include <cstdint>

#include "tensor/blocks/shapes.h"

namespace halfbyte::blocks {

// d and integers s in the range such that d * s is nearest to values[groups], weighted by
// weights[groups] (nullptr: all the same). Where d * s can be equal to all values, it is, with the
// smallest such d: projecting a result gives it back. d is positive where the range has no negative
// numbers, of either sign otherwise. groups <= 16. A
// stride above 1 tries only every so many of the candidates, and promises none of this.
void project_sub_scales(const float* values, const float* weights, std::size_t groups,
                        SubScaleRange range, int stride, std::uint16_t& d, int* s);

}  // namespace halfbyte::blocks
