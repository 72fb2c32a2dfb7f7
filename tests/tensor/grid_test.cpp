// Grids: packing agrees with decoding, fits with the encoders, projections with fits.
#include "tensor/grid.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <random>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "tensor/group_types.h"

namespace halfbyte {
namespace {

constexpr int kBlocks = 200;

std::vector<const Grid*> all_grids() {
  std::vector<const Grid*> grids;
  for (const DTypeInfo& type : all_dtypes()) {
    if (find_grid(type.dtype) != nullptr) grids.push_back(find_grid(type.dtype));
  }
  for (const GroupType& type : all_group_types()) {
    grids.push_back(find_grid(type.dtype, {.symmetric = true}));
    grids.push_back(find_grid(type.dtype, {.positive_zeros = true}));
  }
  return grids;
}

std::vector<float> random_elements(std::size_t n, std::mt19937& random) {
  std::normal_distribution<float> normal(0.0f, 0.03f);
  std::vector<float> x(n);
  for (float& v : x) v = normal(random);
  return x;
}

std::vector<float> random_importance(std::size_t n, std::mt19937& random) {
  std::lognormal_distribution<float> lognormal(0.0f, 1.0f);
  std::vector<float> w(n);
  for (float& v : w) v = lognormal(random);
  return w;
}

// Types with a scale a row: a block that is a row.
GridBlock empty_block(const Grid& grid, const float* x, const float* importance) {
  GridBlock block;
  if (grid.row_scale != nullptr) block.row = grid.row_scale(x, importance, grid.block);
  return block;
}

GridBlock fitted_block(const Grid& grid, const float* x, const float* importance) {
  GridBlock block = empty_block(grid, x, importance);
  grid.fit(x, importance, block);
  return block;
}

std::vector<float> decoded(const Grid& grid, const GridBlock& block,
                           const std::vector<std::uint8_t>& codes) {
  const DTypeInfo& type = info(grid.dtype);
  std::vector<std::byte> bytes(*row_bytes(grid.dtype, grid.block));
  std::memcpy(bytes.data(), &block.row, type.row_header);
  grid.pack(block, codes.data(), bytes.data() + type.row_header);
  std::vector<float> values(grid.block);
  type.decode(bytes.data(), values.data(), values.size());
  return values;
}

bool same_block(const GridBlock& a, const GridBlock& b) {
  return a.scale == b.scale && a.min == b.min && a.d == b.d && a.dmin == b.dmin &&
         a.sub_scale == b.sub_scale && a.sub_min == b.sub_min;
}

TEST(Grid, DecodingGivesScaleTimesLevelMinusMin) {
  std::mt19937 random(1);
  for (const Grid* grid : all_grids()) {
    std::uniform_int_distribution<int> code(0, static_cast<int>(grid->codes) - 1);
    for (int i = 0; i < kBlocks; ++i) {
      const std::vector<float> x = random_elements(grid->block, random);
      const GridBlock block = fitted_block(*grid, x.data(), nullptr);
      std::vector<std::uint8_t> codes(grid->block);
      for (auto& c : codes) c = static_cast<std::uint8_t>(code(random));
      const std::vector<float> values = decoded(*grid, block, codes);
      for (std::size_t j = 0; j < codes.size(); ++j) {
        const std::size_t g = j / grid->group;
        const float product = block.scale[g] * grid->levels[codes[j]];
        ASSERT_EQ(values[j], product - block.min[g]) << name(grid->dtype) << " element " << j;
      }
    }
  }
}

TEST(Grid, ProjectingAFitGivesItBack) {
  std::mt19937 random(2);
  for (const Grid* grid : all_grids()) {
    for (int i = 0; i < kBlocks; ++i) {
      const float size = std::exp2(static_cast<float>(i % 40 - 30));
      std::vector<float> x = random_elements(grid->block, random);
      for (float& v : x) v *= size;
      const std::vector<float> weights = random_importance(16, random);
      const GridBlock block = fitted_block(*grid, x.data(), nullptr);
      GridBlock again = empty_block(*grid, x.data(), nullptr);
      grid->project(block.scale.data(), block.min.data(), weights.data(), again);
      ASSERT_TRUE(same_block(block, again)) << name(grid->dtype) << " block " << i;
    }
  }
}

double weighted_error(const std::vector<float>& x, const std::vector<float>& values,
                      const std::vector<float>& w) {
  double sum = 0.0;
  for (std::size_t i = 0; i < x.size(); ++i) {
    const double miss = static_cast<double>(x[i]) - static_cast<double>(values[i]);
    sum += static_cast<double>(w[i]) * miss * miss;
  }
  return sum;
}

std::vector<float> fitted(const Grid& grid, const std::vector<float>& x,
                          const std::vector<float>& w) {
  const GridBlock block = fitted_block(grid, x.data(), w.data());
  std::vector<std::uint8_t> codes(grid.block);
  nearest_codes(grid, block, x.data(), codes.data());
  return decoded(grid, block, codes);
}

// By ggml's weighted search. That of types with zero points or a scale a row is the fit itself:
// they are rounded, as GPTQ does it or unweighted.
std::vector<float> encoded(const Grid& grid, const std::vector<float>& x,
                           const std::vector<float>& w) {
  const DTypeInfo& type = info(grid.dtype);
  std::vector<std::byte> bytes(*row_bytes(grid.dtype, grid.block));
  std::vector<float> values(type.block);
  if (const GroupType* group = find_group_type(grid.dtype)) {
    const bool symmetric = &grid != find_grid(grid.dtype);
    encode_groups(*group, {.symmetric = symmetric}, x.data(), bytes.data(), x.size());
  } else if (grid.row_scale != nullptr) {
    type.encode(x.data(), bytes.data(), x.size());
  } else {
    type.encode_weighted(x.data(), w.data(), bytes.data(), x.size());
  }
  type.decode(bytes.data(), values.data(), values.size());
  return values;
}

// What ggml's search with importance minimizes, of one block as a row.
std::vector<float> weights_of_search(DType dtype, const std::vector<float>& x,
                                     const std::vector<float>& importance) {
  if (dtype == DType::q8_0) return std::vector<float>(x.size(), 1.0f);
  const bool plain = find_group_type(dtype) != nullptr || info(dtype).row_header != 0;
  if (dtype == DType::q6_k || plain) return importance;
  const bool once = dtype == DType::q2_k || (x.size() == 32 && dtype != DType::iq4_nl);
  float variance = 0.0f;
  for (const float v : x) variance += v * v / static_cast<float>(x.size()) * (once ? 1.0f : 2.0f);
  std::vector<float> w(x.size());
  for (std::size_t i = 0; i < x.size(); ++i)
    w[i] = importance[i] * std::sqrt(variance + x[i] * x[i]);
  return w;
}

TEST(Grid, FitsAreNoWorseThanTheWeightedSearch) {
  std::mt19937 random(3);
  for (const Grid* grid : all_grids()) {
    double fit = 0.0;
    double search = 0.0;
    for (int i = 0; i < kBlocks; ++i) {
      const std::vector<float> x = random_elements(grid->block, random);
      const std::vector<float> importance = random_importance(grid->block, random);
      const std::vector<float> w = weights_of_search(grid->dtype, x, importance);
      fit += weighted_error(x, fitted(*grid, x, w), w);
      search += weighted_error(x, encoded(*grid, x, importance), w);
    }
    // One byte an element and one scale leave nothing to fit.
    EXPECT_LT(fit, search * (grid->codes == 255 && grid->row_scale != nullptr ? 1.0001 : 1.0))
        << name(grid->dtype);
    RecordProperty(std::string(name(grid->dtype)), std::to_string(fit / search));
  }
}

TEST(Grid, NearestCodesAreNearest) {
  std::mt19937 random(4);
  for (const Grid* grid : all_grids()) {
    const std::vector<float> x = random_elements(grid->block, random);
    const GridBlock block = fitted_block(*grid, x.data(), nullptr);
    std::vector<std::uint8_t> codes(grid->block);
    nearest_codes(*grid, block, x.data(), codes.data());
    for (std::size_t i = 0; i < x.size(); ++i) {
      const std::size_t g = i / grid->group;
      const auto miss = [&](std::uint32_t code) {
        return std::fabs(block.scale[g] * grid->levels[code] - block.min[g] - x[i]);
      };
      float least = miss(0);
      for (std::uint32_t code = 1; code < grid->codes; ++code) least = std::min(least, miss(code));
      ASSERT_LE(miss(codes[i]), least * 1.0001f + 1e-7f) << name(grid->dtype) << " element " << i;
    }
  }
}

// Blocks that leave no room for a search: no NaN, no infinity, and the values where they can be.
TEST(Grid, DegenerateBlocksStayFinite) {
  for (const Grid* grid : all_grids()) {
    for (const float value : {0.0f, -0.0f, 0.5f, -0.5f, 1e-30f, 1e-41f, -3e38f, 3e38f}) {
      const std::vector<float> x(grid->block, value);
      for (const float weight : {1.0f, 0.0f}) {
        const std::vector<float> values = fitted(*grid, x, std::vector<float>(grid->block, weight));
        for (const float v : values) ASSERT_TRUE(std::isfinite(v)) << name(grid->dtype) << value;
        if (std::fabs(value) <= 0.5f) {
          ASSERT_NEAR(values[0], value, 0.02f) << name(grid->dtype);
        }
      }
    }
  }
}

TEST(Grid, SymmetricGridsKeepTheZeroInTheMiddle) {
  std::mt19937 random(5);
  for (const GroupType& type : all_group_types()) {
    const Grid* const grid = find_grid(type.dtype, {.symmetric = true});
    const std::vector<float> x = random_elements(grid->block, random);
    GridBlock fit;
    GridBlock projected;
    grid->fit(x.data(), nullptr, fit);
    const float none = 0.0f;
    grid->project(fit.scale.data(), &none, nullptr, projected);
    EXPECT_EQ(fit.sub_min[0], 1u << (type.bits - 1)) << name(type.dtype);
    EXPECT_TRUE(same_block(fit, projected)) << name(type.dtype);
  }
  EXPECT_EQ(find_grid(DType::q4_0, {.symmetric = true}), find_grid(DType::q4_0));
}

// Elements above 0 alone ask for a zero of 0.
TEST(Grid, PositiveZerosAreNever0) {
  for (const GroupType& type : all_group_types()) {
    std::vector<float> x(type.group);
    for (std::size_t i = 0; i < x.size(); ++i) x[i] = static_cast<float>(i % 7) / 7.0f;
    GridBlock free;
    GridBlock kept;
    find_grid(type.dtype)->fit(x.data(), nullptr, free);
    find_grid(type.dtype, {.positive_zeros = true})->fit(x.data(), nullptr, kept);
    if (type.bits < 8) {
      EXPECT_EQ(free.sub_min[0], 0) << name(type.dtype);
    }
    EXPECT_GE(kept.sub_min[0], 1) << name(type.dtype);
  }
}

TEST(Grid, ByRowAllBlocksHaveTheScalesOfTheWholeRow) {
  std::mt19937 random(7);
  for (const GroupType& type : all_group_types()) {
    for (const bool symmetric : {false, true}) {
      const Grid& grid = *find_grid(type.dtype, {.symmetric = symmetric, .by_row = true});
      const std::vector<float> x = random_elements(3 * grid.block, random);
      const std::vector<float> w = random_importance(3 * grid.block, random);
      std::vector<GridBlock> blocks(3);
      fit_row(grid, x.data(), w.data(), x.size(), blocks.data());
      GridBlock row;
      grid.fit_row(x.data(), w.data(), x.size(), row);
      for (const GridBlock& block : blocks) EXPECT_TRUE(same_block(block, row)) << name(type.dtype);
      // A row of one block is a block.
      fit_row(grid, x.data(), w.data(), grid.block, blocks.data());
      grid.fit(x.data(), w.data(), row);
      EXPECT_TRUE(same_block(blocks[0], row)) << name(type.dtype);
    }
  }
}

TEST(Grid, TheScaleOfARowPrecedesThoseOfItsBlocks) {
  std::mt19937 random(7);
  for (const DTypeInfo& type : all_dtypes()) {
    const Grid* const grid = find_grid(type.dtype);
    if (grid == nullptr || grid->row_scale == nullptr) continue;
    const std::vector<float> x = random_elements(3 * grid->block, random);
    const std::vector<float> w = random_importance(3 * grid->block, random);
    std::vector<GridBlock> blocks(3);
    fit_row(*grid, x.data(), w.data(), x.size(), blocks.data());
    for (std::size_t i = 0; i < blocks.size(); ++i) {
      GridBlock block;
      block.row = grid->row_scale(x.data(), w.data(), x.size());
      grid->fit(&x[i * grid->block], &w[i * grid->block], block);
      EXPECT_EQ(blocks[i].row, block.row) << type.name;
      EXPECT_TRUE(same_block(blocks[i], block)) << type.name;
    }
  }
}

TEST(Grid, EveryQuantizedTypeHasOne) {
  for (const DTypeInfo& type : all_dtypes()) {
    const Grid* const grid = find_grid(type.dtype);
    EXPECT_EQ(grid != nullptr, is_quantized(type.dtype)) << type.name;
    if (grid == nullptr) continue;
    EXPECT_EQ(grid->row_scale != nullptr, type.row_header == sizeof(float)) << type.name;
  }
}

}  // namespace
}  // namespace halfbyte
