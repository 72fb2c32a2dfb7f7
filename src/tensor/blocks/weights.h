// What the searches weigh elements by.
#pragma once

#include <cstddef>

#include "tensor/blocks/shapes.h"

namespace halfbyte::blocks {

// w[block] without importance.
void weigh_by_size(const BlockShape& shape, const float* x, float* w);

// w[n] = importance * root of (variance + x^2), as ggml weighs with importance.
void weigh_by_importance(const float* x, const float* importance, float variance, std::size_t n,
                         float* w);

float sum_of_squares(const float* x, std::size_t n);  // in order

// The variance that iq4_nl and iq4_xs add. Doubling the sum first, as the other types do, overflows
// earlier.
float twice_mean_square(const float* x, std::size_t n);

// sums[groups] of w, in order.
void sum_groups(const BlockShape& shape, const float* w, float* sums);

}  // namespace halfbyte::blocks
