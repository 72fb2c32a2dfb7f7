// w4a8 as a grid (Grid::row_scale, fit, project and pack). With r the scale of the row a value is
// r * (code - zero) * scale, where the integers of a group keep all its codes in a signed byte.
#pragma once

#include <cstddef>
#include <cstdint>

#include "tensor/grid.h"

namespace halfbyte::blocks {

// In the GridBlock, sub_scale[0] is the integer scale (1 to 16) and sub_min[0] the zero.
float row_scale_int4(const float* x, const float* importance, std::size_t n);
void fit_row_int4(const float* x, const float* importance, GridBlock& block);
void project_row_int4(const float* scale, const float* min, const float* weights, GridBlock& block);
void pack_row_int4(const GridBlock& block, const std::uint8_t* codes, std::byte* dst);

}  // namespace halfbyte::blocks
