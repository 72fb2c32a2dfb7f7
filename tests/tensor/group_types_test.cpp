// The types with zero points: blocks, rounding and values against NumPy
// (data: tools/make_group_goldens.py), codes in and out.
#include "tensor/group_types.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <fstream>
#include <iterator>
#include <limits>
#include <random>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "base/half.h"

namespace halfbyte {
namespace {

constexpr float kNan = std::numeric_limits<float>::quiet_NaN();

class GroupTypes : public ::testing::TestWithParam<GroupType> {
 protected:
  const GroupType& type() const { return GetParam(); }
  const DTypeInfo& row() const { return info(type().dtype); }
  unsigned top() const { return (1u << type().bits) - 1; }
};

INSTANTIATE_TEST_SUITE_P(Types, GroupTypes, ::testing::ValuesIn(all_group_types()),
                         [](const auto& test) { return std::string(name(test.param.dtype)); });

struct Golden {
  std::vector<float> values;
  std::vector<std::byte> blocks;
  std::vector<float> decoded;

  Golden(const DTypeInfo& type, const std::string& kind) {
    const std::string path =
        HALFBYTE_TEST_DATA "/blocks/" + std::string(type.name) + "." + kind + ".bin";
    std::ifstream file(path, std::ios::binary);
    const std::vector<char> bytes{std::istreambuf_iterator<char>(file), {}};
    const std::size_t n = bytes.size() / (8 * type.block + type.block_bytes) * type.block;
    EXPECT_GT(n, 0u) << path;
    values.resize(n);
    blocks.resize(row_bytes(type.dtype, n).value());
    decoded.resize(n);
    EXPECT_EQ(bytes.size(), 8 * n + blocks.size()) << path;
    std::memcpy(values.data(), bytes.data(), 4 * n);
    std::memcpy(blocks.data(), bytes.data() + 4 * n, blocks.size());
    std::memcpy(decoded.data(), bytes.data() + 4 * n + blocks.size(), 4 * n);
  }
};

// What encode gives for one group as long as the row, cut into blocks.
TEST_P(GroupTypes, ByRowBlocksShareTheScaleOfTheRow) {
  std::minstd_rand random(3);
  std::vector<float> x(4 * type().group);
  for (float& v : x) v = static_cast<float>(random() % 2001) / 1000.0f - 0.7f;
  x[type().group] = 5.0f;  // the largest lies in the second group
  std::vector<std::byte> rows(4 * row().block_bytes);
  for (const bool symmetric : {false, true}) {
    encode_groups(type(), {.symmetric = symmetric, .by_row = true}, x.data(), rows.data(),
                  x.size());
    const GroupScale scale = scale_of_group(rows.data());
    const float least = *std::min_element(x.begin(), x.end());
    const float range = symmetric ? 10.0f : 5.0f - least;
    EXPECT_EQ(scale.scale, float_to_half(range / static_cast<float>(top())));
    for (std::size_t g = 1; g < 4; ++g) {
      EXPECT_EQ(scale_of_group(&rows[g * row().block_bytes]), scale);
    }
    std::vector<float> decoded(x.size());
    row().decode(rows.data(), decoded.data(), x.size());
    const float step = half_to_float(scale.scale);
    const float most = symmetric ? 5.0f - step : 5.0f;  // the middle has one code less above it
    for (std::size_t i = 0; i < x.size(); ++i) {
      EXPECT_NEAR(decoded[i], std::min(x[i], most), 0.51f * step) << i;
    }
  }
}

TEST_P(GroupTypes, PositiveZerosAreNever0) {
  std::vector<float> x(2 * type().group);
  for (std::size_t i = 0; i < x.size(); ++i)
    x[i] = static_cast<float>(i % 9) - (i < type().group ? 0.0f : 4.0f);
  std::vector<std::byte> any(2 * row().block_bytes);
  std::vector<std::byte> positive(any.size());
  encode_groups(type(), {}, x.data(), any.data(), x.size());
  encode_groups(type(), {.positive_zeros = true}, x.data(), positive.data(), x.size());
  EXPECT_EQ(scale_of_group(any.data()).zero, 0);
  EXPECT_EQ(scale_of_group(positive.data()).zero, 1);
  // All of the range is still there.
  std::vector<float> decoded(type().group);
  row().decode(positive.data(), decoded.data(), decoded.size());
  const float step = half_to_float(scale_of_group(positive.data()).scale);
  for (std::size_t i = 0; i < decoded.size(); ++i) EXPECT_NEAR(decoded[i], x[i], 0.51f * step);
  // A group whose zero is not 0 is as it was.
  EXPECT_TRUE(
      std::equal(any.begin() + row().block_bytes, any.end(), positive.begin() + row().block_bytes));
}

TEST_P(GroupTypes, RowsOfTheTable) {
  EXPECT_EQ(name(type().dtype),
            "w" + std::to_string(type().bits) + "g" + std::to_string(type().group));
  EXPECT_EQ(row().block, type().group);
  EXPECT_EQ(row().block_bytes, 3 + type().group * type().bits / 8);
  EXPECT_LT(row().ggml_type, 0);
  EXPECT_EQ(find_group_type(type().dtype), find_group_type(type().bits, type().group));
}

TEST_P(GroupTypes, RoundAsGptqDoes) {
  const Golden golden(row(), "encode");
  std::vector<std::byte> blocks(golden.blocks.size());
  row().encode(golden.values.data(), blocks.data(), golden.values.size());
  EXPECT_EQ(blocks, golden.blocks);
}

TEST_P(GroupTypes, RoundToSymmetricGroups) {
  const Golden golden(row(), "symmetric");
  std::vector<std::byte> blocks(golden.blocks.size());
  encode_groups(type(), {.symmetric = true}, golden.values.data(), blocks.data(),
                golden.values.size());
  EXPECT_EQ(blocks, golden.blocks);
}

TEST_P(GroupTypes, DecodeExactly) {
  for (const char* kind : {"encode", "symmetric"}) {
    const Golden golden(row(), kind);
    std::vector<float> decoded(golden.values.size());
    row().decode(golden.blocks.data(), decoded.data(), decoded.size());
    EXPECT_EQ(decoded, golden.decoded) << kind;
  }
}

TEST_P(GroupTypes, CodesGoInAndOut) {
  std::minstd_rand random(7);
  std::vector<std::uint8_t> codes(type().group), back(type().group);
  for (std::uint8_t& code : codes) code = static_cast<std::uint8_t>(random() >> 8 & top());
  const GroupScale scale = {float_to_half(-0.3f), static_cast<std::uint8_t>(top())};
  std::vector<std::byte> block(row().block_bytes);
  pack_group(type(), scale, codes.data(), block.data());
  const GroupScale found = unpack_group(type(), block.data(), back.data());
  EXPECT_EQ(back, codes);
  EXPECT_EQ(found.scale, scale.scale);
  EXPECT_EQ(found.zero, scale.zero);
  std::vector<float> values(type().group);
  row().decode(block.data(), values.data(), values.size());
  for (std::size_t i = 0; i < values.size(); ++i) {
    EXPECT_EQ(values[i], half_to_float(scale.scale) * static_cast<float>(codes[i] - scale.zero));
  }
}

// Nothing that a group may hold makes more of it than codes, and the rest of the row is not
// touched.
TEST_P(GroupTypes, ExtremesStayInTheirGroups) {
  const std::size_t group = type().group;
  std::vector<float> row_values(3 * group, 0.5f);
  row_values[group] = kNan;
  row_values[group + 1] = std::numeric_limits<float>::infinity();
  row_values[group + 2] = -std::numeric_limits<float>::infinity();
  row_values[group + 3] = -3.4e38f;
  std::vector<std::byte> blocks(3 * row().block_bytes);
  for (const bool symmetric : {false, true}) {
    encode_groups(type(), {.symmetric = symmetric}, row_values.data(), blocks.data(),
                  row_values.size());
    std::vector<float> decoded(row_values.size());
    row().decode(blocks.data(), decoded.data(), decoded.size());
    for (const float value : decoded) EXPECT_TRUE(std::isfinite(value));
    const float bound = symmetric ? 1.01f / static_cast<float>(top()) : 1e-3f;  // a step
    EXPECT_NEAR(decoded[0], 0.5f, bound);
    EXPECT_NEAR(decoded[3 * group - 1], 0.5f, bound);
  }
}

TEST(GroupType, OthersAreNotFound) {
  EXPECT_EQ(find_group_type(DType::q4_0), nullptr);
  EXPECT_EQ(find_group_type(5, 64), nullptr);
  EXPECT_EQ(find_group_type(4, 256), nullptr);
}

}  // namespace
}  // namespace halfbyte
