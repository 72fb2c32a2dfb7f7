// The grid table and what its rows share.
#include "tensor/grid.h"

#include <algorithm>
#include <cmath>
#include <span>

#include "tensor/blocks/grid_fit.h"
#include "tensor/blocks/iq4_levels.h"
#include "tensor/blocks/packers.h"
#include "tensor/blocks/row_int4.h"
#include "tensor/blocks/row_int8.h"
#include "tensor/blocks/shapes.h"
#include "tensor/blocks/zero_points.h"

namespace halfbyte {

namespace {

using blocks::BlockShape;
using blocks::Levels;

template <int kLow, int kHigh>
constexpr auto kIntegers = [] {
  std::array<float, kHigh - kLow + 1> levels{};
  for (std::size_t i = 0; i < levels.size(); ++i) levels[i] = kLow + static_cast<float>(i);
  return levels;
}();

template <const BlockShape& kShape>
void fit(const float* x, const float* importance, GridBlock& block) {
  blocks::fit_block(kShape, x, importance, block);
}

template <const BlockShape& kShape>
void project(const float* scale, const float* min, const float* weights, GridBlock& block) {
  blocks::project_block(kShape, scale, min, weights, 1, block);
}

using Pack = void (*)(const GridBlock&, const std::uint8_t*, std::byte*);

template <const BlockShape& kShape>
constexpr Grid row(DType dtype, const float* levels, Pack pack) {
  const bool uniform = kShape.levels != Levels::iq4;
  const int codes = uniform ? static_cast<int>(kShape.high - kShape.low) + 1 : 16;
  return {dtype,
          static_cast<std::uint32_t>(kShape.groups * kShape.group),
          static_cast<std::uint32_t>(kShape.group),
          static_cast<std::uint32_t>(codes),
          levels,
          uniform,
          fit<kShape>,
          project<kShape>,
          pack};
}

constexpr Grid row_int8(DType dtype) {
  const auto& levels = kIntegers<-127, 127>;
  return {dtype,
          32,
          32,
          static_cast<std::uint32_t>(levels.size()),
          levels.data(),
          true,
          blocks::fit_row_int8,
          blocks::project_row_int8,
          blocks::pack_row_int8,
          blocks::row_scale_int8};
}

constexpr auto kGrids = std::to_array<Grid>({
    row<blocks::kShapeQ4_0>(DType::q4_0, kIntegers<-8, 7>.data(), blocks::pack_q4_0),
    row<blocks::kShapeQ4_1>(DType::q4_1, kIntegers<0, 15>.data(), blocks::pack_q4_1),
    row<blocks::kShapeQ5_0>(DType::q5_0, kIntegers<-16, 15>.data(), blocks::pack_q5_0),
    row<blocks::kShapeQ5_1>(DType::q5_1, kIntegers<0, 31>.data(), blocks::pack_q5_1),
    row<blocks::kShapeQ8_0>(DType::q8_0, kIntegers<-127, 127>.data(), blocks::pack_q8_0),
    row<blocks::kShapeQ2_K>(DType::q2_k, kIntegers<0, 3>.data(), blocks::pack_q2_k),
    row<blocks::kShapeQ3_K>(DType::q3_k, kIntegers<-4, 3>.data(), blocks::pack_q3_k),
    row<blocks::kShapeQ4_K>(DType::q4_k, kIntegers<0, 15>.data(), blocks::pack_q4_k),
    row<blocks::kShapeQ5_K>(DType::q5_k, kIntegers<0, 31>.data(), blocks::pack_q5_k),
    row<blocks::kShapeQ6_K>(DType::q6_k, kIntegers<-32, 31>.data(), blocks::pack_q6_k),
    row<blocks::kShapeIq4Nl>(DType::iq4_nl, blocks::kIq4Levels.data(), blocks::pack_iq4_nl),
    row<blocks::kShapeIq4Xs>(DType::iq4_xs, blocks::kIq4Levels.data(), blocks::pack_iq4_xs),
    row_int8(DType::w8a8),
    row_int8(DType::int8),
    {DType::w4a8, 32, 32, 16, kIntegers<0, 15>.data(), true, blocks::fit_row_int4,
     blocks::project_row_int4, blocks::pack_row_int4, blocks::row_scale_int4},
});

template <unsigned kBits, std::size_t kGroup, blocks::ZeroPoint kZero, bool kByRow>
constexpr Grid zero_point_row(DType dtype) {
  constexpr std::uint32_t kCodes = 1u << kBits;
  constexpr int kLow = kZero == blocks::ZeroPoint::middle ? -static_cast<int>(kCodes / 2) : 0;
  return {dtype,
          kGroup,
          kGroup,
          kCodes,
          kIntegers<kLow, kLow + static_cast<int>(kCodes) - 1>.data(),
          true,
          blocks::fit_zero_point<kBits, kGroup, kZero>,
          blocks::project_zero_point<kBits, kZero>,
          blocks::pack_zero_point<kBits, kGroup>,
          nullptr,
          kByRow ? blocks::fit_row_zero_point<kBits, kZero> : nullptr};
}

template <blocks::ZeroPoint kZero, bool kByRow>
constexpr auto kZeroPointGrids = std::to_array<Grid>({
    zero_point_row<2, 32, kZero, kByRow>(DType::w2g32),
    zero_point_row<2, 64, kZero, kByRow>(DType::w2g64),
    zero_point_row<2, 128, kZero, kByRow>(DType::w2g128),
    zero_point_row<3, 32, kZero, kByRow>(DType::w3g32),
    zero_point_row<3, 64, kZero, kByRow>(DType::w3g64),
    zero_point_row<3, 128, kZero, kByRow>(DType::w3g128),
    zero_point_row<4, 32, kZero, kByRow>(DType::w4g32),
    zero_point_row<4, 64, kZero, kByRow>(DType::w4g64),
    zero_point_row<4, 128, kZero, kByRow>(DType::w4g128),
    zero_point_row<8, 32, kZero, kByRow>(DType::w8g32),
    zero_point_row<8, 64, kZero, kByRow>(DType::w8g64),
    zero_point_row<8, 128, kZero, kByRow>(DType::w8g128),
});

template <bool kByRow>
std::span<const Grid> zero_point_grids(ScaleRules rules) {
  using enum blocks::ZeroPoint;
  if (rules.symmetric) return kZeroPointGrids<middle, kByRow>;
  if (rules.positive_zeros) return kZeroPointGrids<positive, kByRow>;
  return kZeroPointGrids<searched, kByRow>;
}

const Grid* find_row(std::span<const Grid> grids, DType dtype) {
  const auto found = std::find_if(grids.begin(), grids.end(),
                                  [dtype](const Grid& grid) { return grid.dtype == dtype; });
  return found == grids.end() ? nullptr : &*found;
}

}  // namespace

const Grid* find_grid(DType dtype, ScaleRules rules) {
  if (const Grid* const found = find_row(kGrids, dtype)) return found;
  return find_row(rules.by_row ? zero_point_grids<true>(rules) : zero_point_grids<false>(rules),
                  dtype);
}

void scale_row(const Grid& grid, const float* x, const float* importance, std::size_t n,
               GridBlock* blocks) {
  if (grid.row_scale == nullptr) return;
  const float scale = grid.row_scale(x, importance, n);
  for (std::size_t i = 0; i < n / grid.block; ++i) blocks[i].row = scale;
}

void fit_row(const Grid& grid, const float* x, const float* importance, std::size_t n,
             GridBlock* blocks) {
  scale_row(grid, x, importance, n, blocks);
  if (grid.by_row()) {
    grid.fit_row(x, importance, n, blocks[0]);
    std::fill(blocks + 1, blocks + n / grid.block, blocks[0]);
    return;
  }
  for (std::size_t i = 0; i < n; i += grid.block) {
    grid.fit(x + i, importance == nullptr ? nullptr : importance + i, blocks[i / grid.block]);
  }
}

namespace {

constexpr std::array<std::uint8_t, 512> make_nearest_iq4() {
  std::array<std::uint8_t, 512> nearest{};
  for (std::size_t i = 0; i < nearest.size(); ++i) {
    const float v = static_cast<float>(i) / 2.0f - 128.0f;
    std::uint8_t code = 0;
    while (code < 15 && v * 2.0f >= blocks::kIq4Levels[code] + blocks::kIq4Levels[code + 1u])
      ++code;
    nearest[i] = code;
  }
  return nearest;
}

}  // namespace

constexpr std::array<std::uint8_t, 512> kNearestIq4 = make_nearest_iq4();

void nearest_codes(const Grid& grid, const GridBlock& block, const float* x, std::uint8_t* codes) {
  std::array<float, blocks::kMaxBlock> places;
  const std::size_t group = grid.group;
  for (std::size_t g = 0; g < grid.groups(); ++g) {
    const float min = block.min[g];
    const float scale = block.scale[g] != 0.0f ? block.scale[g] : INFINITY;  // places of 0
    for (std::size_t i = g * group; i < (g + 1) * group; ++i) places[i] = (x[i] + min) / scale;
  }
  const std::size_t n = grid.block;
  if (!grid.uniform) {
    for (std::size_t i = 0; i < n; ++i) codes[i] = nearest_iq4(places[i]);
    return;
  }
  // Read here: as far as the compiler knows, codes may be written over the grid.
  const float low = grid.levels[0];
  const float top = static_cast<float>(grid.codes - 1);
  for (std::size_t i = 0; i < n; ++i) codes[i] = nearest_integer_code(places[i], low, top);
}

}  // namespace halfbyte
