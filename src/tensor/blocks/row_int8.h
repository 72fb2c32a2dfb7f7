// w8a8 and int8 as a grid (Grid::row_scale, fit, project and pack): a row's scale is that of all
// its blocks, so there is nothing to fit.
#pragma once

#include <cstddef>
#include <cstdint>

#include "tensor/grid.h"

namespace halfbyte::blocks {

float row_scale_int8(const float* x, const float* importance, std::size_t n);
void fit_row_int8(const float* x, const float* importance, GridBlock& block);
void project_row_int8(const float* scale, const float* min, const float* weights, GridBlock& block);
void pack_row_int8(const GridBlock& block, const std::uint8_t* codes, std::byte* dst);

}  // namespace halfbyte::blocks
