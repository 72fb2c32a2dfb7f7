// Fitting and projecting whole blocks (Grid::fit, Grid::project), for the four shapes of block: one
// group or a superblock, with a minimum or without.
#pragma once

#include "tensor/blocks/shapes.h"
#include "tensor/grid.h"

namespace halfbyte::blocks {

void fit_block(const BlockShape& shape, const float* x, const float* importance, GridBlock& block);
// stride: 1, or more for a rough projection (sub_scales.h).
void project_block(const BlockShape& shape, const float* scale, const float* min,
                   const float* weights, int stride, GridBlock& block);

// scale and min of d, dmin and the stored sub-scales.
void expand(const BlockShape& shape, GridBlock& block);

}  // namespace halfbyte::blocks
