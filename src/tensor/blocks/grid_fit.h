// Fitting and projecting whole blocks (Grid::fit, Grid::project), for the four shapes of block: one
// group or a superblock, with a minimum or without.
#pragma once

#include <cstddef>
#include <cstdint>

#include "tensor/blocks/sub_scales.h"
#include "tensor/grid.h"

namespace halfbyte::blocks {

// How ggml weighs elements without importance.
enum class DefaultWeight : std::uint8_t {
  none,
  magnitude,      // |x|
  magnitude_rms,  // |x| + root of the group's mean square
  square,         // x^2
};

enum class Levels : std::uint8_t { zero_up, around_zero, iq4 };

struct BlockShape {
  std::size_t groups;
  std::size_t group;  // elements
  Levels levels;
  float low;
  float high;
  DefaultWeight weight;
  SubScaleRange sub;      // of superblocks
  std::uint8_t sub_bias;  // what is added to sub-scales as they are stored
};

void fit_block(const BlockShape& shape, const float* x, const float* importance, GridBlock& block);
void project_block(const BlockShape& shape, const float* scale, const float* min,
                   const float* weights, GridBlock& block);

// scale and min of d, dmin and the stored sub-scales.
void expand(const BlockShape& shape, GridBlock& block);

}  // namespace halfbyte::blocks
