// Grids: packing agrees with decoding, fits with the encoders, projections with fits.
#include "tensor/grid.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <random>
#include <vector>

#include <gtest/gtest.h>

namespace halfbyte {
namespace {

constexpr int kBlocks = 200;

std::vector<const Grid*> all_grids() {
  std::vector<const Grid*> grids;
  for (const DTypeInfo& type : all_dtypes()) {
    if (find_grid(type.dtype) != nullptr) grids.push_back(find_grid(type.dtype));
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

std::vector<float> decoded(const Grid& grid, const GridBlock& block,
                           const std::vector<std::uint8_t>& codes) {
  const DTypeInfo& type = info(grid.dtype);
  std::vector<std::byte> bytes(type.block_bytes);
  grid.pack(block, codes.data(), bytes.data());
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
      GridBlock block;
      grid->fit(random_elements(grid->block, random).data(), nullptr, block);
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
      GridBlock block;
      GridBlock again;
      grid->fit(x.data(), nullptr, block);
      grid->project(block.scale.data(), block.min.data(), weights.data(), again);
      ASSERT_TRUE(same_block(block, again)) << name(grid->dtype) << " block " << i;
    }
  }
}

}  // namespace
}  // namespace halfbyte
