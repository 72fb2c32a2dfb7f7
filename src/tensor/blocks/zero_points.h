// Groups with a zero point as a grid (Grid::fit, project and pack) and under importance: scales are
// halves, zeros codes, so that min = scale * zero exactly.
#pragma once

#include <cstddef>
#include <cstdint>

#include "tensor/grid.h"

namespace halfbyte::blocks {

// How the zero point of a group is found.
enum class ZeroPoint : std::uint8_t {
  searched,  // any code
  positive,  // any code but 0
  middle,    // 2^(bits - 1): what files without zero points ("symmetric") stand for
};

// In the GridBlock, d is the stored scale and sub_min[0] the zero.
template <unsigned kBits, std::size_t kGroup, ZeroPoint kZero>
void fit_zero_point(const float* x, const float* importance, GridBlock& block);
template <unsigned kBits, ZeroPoint kZero>
void fit_row_zero_point(const float* x, const float* importance, std::size_t n, GridBlock& block);
template <unsigned kBits, ZeroPoint kZero>
void project_zero_point(const float* scale, const float* min, const float* weights,
                        GridBlock& block);
template <unsigned kBits, std::size_t kGroup>
void pack_zero_point(const GridBlock& block, const std::uint8_t* codes, std::byte* dst);

// EncodeWeighted: the fit of each group.
template <unsigned kBits, std::size_t kGroup>
void encode_weighted_groups(const float* src, const float* importance, std::byte* dst,
                            std::size_t n);

}  // namespace halfbyte::blocks
