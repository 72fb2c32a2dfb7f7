// quantize_groups and store_cache: the same bits on every instruction set, and the contract's own
// words checked on the reference.
#include <cmath>
#include <cstdint>
#include <cstring>
#include <limits>
#include <random>
#include <vector>

#include <gtest/gtest.h>

#include "base/half.h"
#include "kernels/reference/row_ops.h"
#include "kernels/row_ops_list.h"

namespace halfbyte {
namespace {

constexpr float kInf = std::numeric_limits<float>::infinity();
constexpr float kNan = std::numeric_limits<float>::quiet_NaN();

struct Quantized {
  std::vector<std::int8_t> codes;
  std::vector<float> scales;
  std::vector<std::int32_t> sums;
  std::vector<Outlier> outliers;

  Quantized(std::size_t rows, std::size_t k)
      : codes(rows * k, 99),
        scales(rows * k / 32, -1.0f),
        sums(rows * k / 16, -1),
        outliers(outlier_places(rows, k), Outlier{7, -1.0f}) {}
  QuantizedRows view(std::size_t rows, std::size_t k) {
    return {rows, k, codes.data(), scales.data(), sums.data(), outliers.data()};
  }
  // Bit for bit, NaNs included.
  bool same(const Quantized& other) const {
    return codes == other.codes && sums == other.sums &&
           std::memcmp(scales.data(), other.scales.data(), scales.size() * sizeof(float)) == 0 &&
           std::memcmp(outliers.data(), other.outliers.data(), outliers.size() * sizeof(Outlier)) ==
               0;
  }
};

// Ordinary groups, and one of each kind that needs care.
std::vector<float> groups_of_all_kinds(std::size_t groups) {
  std::mt19937 random(7);
  std::normal_distribution<float> normal;
  std::vector<float> x(groups * 32);
  for (std::size_t g = 0; g < groups; ++g) {
    const float size = std::ldexp(1.0f, static_cast<int>(g % 60) - 30);
    for (std::size_t i = 0; i < 32; ++i) x[g * 32 + i] = normal(random) * size;
    float* group = x.data() + g * 32;
    switch (g % 11) {
      case 1:  // zeros, of both signs
        for (std::size_t i = 0; i < 32; ++i) group[i] = i % 2 == 0 ? 0.0f : -0.0f;
        break;
      case 2:  // ties: halves of the step
        for (std::size_t i = 0; i < 32; ++i) group[i] = static_cast<float>(i) - 15.5f;
        group[0] = 127.0f;
        break;
      case 3:
        group[g % 32] = kNan;
        break;
      case 4:
        group[g % 32] = -kInf;
        break;
      case 5:  // subnormal
        for (std::size_t i = 0; i < 32; ++i) group[i] = static_cast<float>(i) * 3e-41f;
        break;
      case 6:
        group[g % 32] = std::numeric_limits<float>::max();
        break;
      case 7:  // the maximum is the reciprocal's edge
        for (std::size_t i = 0; i < 32; ++i) group[i] = 3.7e-37f * (i % 2 == 0 ? 1.0f : -1.0f);
        break;
      default:
        break;
    }
  }
  return x;
}

class QuantizeTest : public ::testing::TestWithParam<RowKernel> {
 protected:
  const RowOps& ops() const { return GetParam().ops; }
};

TEST_P(QuantizeTest, SameBitsAsTheReference) {
  for (std::size_t groups : {1, 2, 3, 18, 64, 67}) {
    const std::size_t k = groups * 32;
    constexpr std::size_t kRows = kQuantizedRows + 3;
    const std::size_t stride = k + 5;
    std::vector<float> x = groups_of_all_kinds((kRows * stride) / 32 + 1);
    x.insert(x.begin(), 0.0f);  // unaligned
    Quantized expected(kRows, k);
    Quantized actual(kRows, k);
    for (std::size_t row = 0; row < kRows; ++row) {
      reference::quantize_groups(x.data() + 1 + row * stride, row, expected.view(kRows, k));
      ops().quantize_groups(x.data() + 1 + row * stride, row, actual.view(kRows, k));
    }
    EXPECT_TRUE(actual.same(expected)) << groups << " groups";
    Quantized split(kRows, k);
    for (std::size_t row = kRows; row-- > 1;)
      ops().quantize_groups(x.data() + 1 + row * stride, row, split.view(kRows, k));
    EXPECT_EQ(split.codes[0], 99) << "a row not asked for was written";
    ops().quantize_groups(x.data() + 1, 0, split.view(kRows, k));
    EXPECT_TRUE(split.same(expected));
  }
}

TEST_P(QuantizeTest, KeepsTheContract) {
  const std::size_t groups = 660;
  const std::vector<float> x = groups_of_all_kinds(groups);
  Quantized q(1, groups * 32);
  ops().quantize_groups(x.data(), 0, q.view(1, x.size()));
  for (std::size_t g = 0; g < groups; ++g) {
    const float* group = x.data() + g * 32;
    float max = 0.0f;
    bool finite = true;
    for (std::size_t i = 0; i < 32; ++i) {
      max = std::max(max, std::abs(group[i]));
      finite = finite && std::isfinite(group[i]);
    }
    std::int32_t sums[2] = {0, 0};
    for (std::size_t i = 0; i < 32; ++i) {
      const int code = q.codes[g * 32 + i];
      sums[i / 16] += code;
      ASSERT_LE(std::abs(code), 127);
      if (!finite || max == 0.0f) {
        ASSERT_EQ(code, 0);
      } else if (max > 1e-35f) {  // half a step, and the rounding of the reciprocal
        ASSERT_NEAR(code, 127.0 * group[i] / max, 0.50002) << "group " << g << " at " << i;
      }
    }
    ASSERT_EQ(q.sums[2 * g], sums[0]);
    ASSERT_EQ(q.sums[2 * g + 1], sums[1]);
    if (finite) {
      ASSERT_EQ(q.scales[g], max / 127.0f);
    } else {
      ASSERT_TRUE(std::isnan(q.scales[g]));
    }
  }
  // 127 makes the step 1: ties go to even.
  EXPECT_EQ(q.codes[2 * 32 + 14], -2);
  EXPECT_EQ(q.codes[2 * 32 + 15], 0);
  EXPECT_EQ(q.codes[2 * 32 + 16], 0);
  EXPECT_EQ(q.codes[2 * 32 + 17], 2);
}

// Groups of 1 but for some inputs: the mean of the groups' maxima is 3 with 8 groups.
TEST_P(QuantizeTest, TakesOutWhatSticksOut) {
  constexpr std::size_t kGroups = 8, kInputs = kGroups * 32;
  std::vector<float> x(kInputs, 1.0f);
  x[5] = -6.0f;           // not more than twice the mean
  x[2 * 32 + 7] = -6.5f;  // more
  x[2 * 32 + 8] = 6.5f;   // as large, later
  x[6 * 32 + 31] = 6.5f;
  x[7 * 32] = 0.0f;
  const float mean = (6.0f + 6.5f + 6.5f + 5.0f) / 8.0f;
  ASSERT_EQ(mean, 3.0f);
  Quantized q(1, kInputs);
  ops().quantize_groups(x.data(), 0, q.view(1, kInputs));
  EXPECT_EQ(q.outliers[0].input, 2 * 32 + 7u);
  EXPECT_EQ(q.outliers[0].value, -6.5f);
  EXPECT_EQ(q.outliers[1].input, 6 * 32 + 31u);
  EXPECT_EQ(q.outliers[1].value, 6.5f);
  EXPECT_EQ(q.outliers[2].input, kInputs);
  EXPECT_EQ(q.scales[0], 6.0f / 127.0f);
  EXPECT_EQ(q.scales[2], 6.5f / 127.0f);  // of the other one
  EXPECT_EQ(q.codes[2 * 32 + 7], 0);
  EXPECT_EQ(q.codes[2 * 32 + 8], 127);
  EXPECT_EQ(q.scales[6], 1.0f / 127.0f);
  EXPECT_EQ(q.codes[6 * 32 + 31], 0);
  EXPECT_EQ(q.sums[2 * 6 + 1], 15 * 127);
}

TEST_P(QuantizeTest, WhereARowIsNotFiniteNothingSticksOut) {
  std::vector<float> x(4 * 32, 1.0f);
  x[0] = 100.0f;
  for (const float bad : {kInf, kNan}) {
    x[33] = bad;
    Quantized q(1, x.size());
    ops().quantize_groups(x.data(), 0, q.view(1, x.size()));
    EXPECT_EQ(q.outliers[0].input, x.size());
    EXPECT_EQ(q.scales[0], 100.0f / 127.0f);
  }
}

TEST_P(QuantizeTest, CacheHoldsFloatsAndHalves) {
  std::mt19937 random(3);
  std::normal_distribution<float> normal(0.0f, 1000.0f);
  for (std::size_t n = 1; n <= 70; ++n) {
    std::vector<float> x(n);
    for (float& v : x) v = normal(random);
    if (n > 5) x[4] = kInf;
    if (n > 6) x[5] = 3e-8f;
    if (n > 7) x[6] = 70000.0f;
    std::vector<std::byte> cache(n * 4 + 1, std::byte{0x5A});
    ops().store_cache(x.data(), n, DType::f32, cache.data());
    EXPECT_EQ(std::memcmp(cache.data(), x.data(), n * 4), 0);
    EXPECT_EQ(cache.back(), std::byte{0x5A});
    std::fill(cache.begin(), cache.end(), std::byte{0x5A});
    ops().store_cache(x.data(), n, DType::f16, cache.data());
    for (std::size_t i = 0; i < n; ++i) {
      std::uint16_t half = 0;
      std::memcpy(&half, cache.data() + 2 * i, 2);
      ASSERT_EQ(half, float_to_half(x[i]));
    }
    EXPECT_EQ(cache[2 * n], std::byte{0x5A});
  }
  const float nan = kNan;
  std::uint16_t half = 0;
  ops().store_cache(&nan, 1, DType::f16, reinterpret_cast<std::byte*>(&half));
  EXPECT_TRUE(std::isnan(half_to_float(half)));
}

TEST_P(QuantizeTest, CacheHoldsQ8Blocks) {
  const std::vector<float> x = groups_of_all_kinds(66);
  std::vector<std::byte> expected(66 * 34 + 1);
  std::vector<std::byte> actual(66 * 34 + 1);
  reference::store_cache(x.data(), x.size(), DType::q8_0, expected.data());
  ops().store_cache(x.data(), x.size(), DType::q8_0, actual.data());
  for (std::size_t block = 0; block < 66; ++block) {
    std::uint16_t a = 0;
    std::uint16_t b = 0;
    std::memcpy(&a, expected.data() + block * 34, 2);
    std::memcpy(&b, actual.data() + block * 34, 2);
    const bool both_nan = std::isnan(half_to_float(a)) && std::isnan(half_to_float(b));
    EXPECT_TRUE(a == b || both_nan);
    EXPECT_EQ(std::memcmp(expected.data() + block * 34 + 2, actual.data() + block * 34 + 2, 32), 0);
  }
}

INSTANTIATE_TEST_SUITE_P(All, QuantizeTest, ::testing::ValuesIn(runnable_row_kernels()),
                         [](const auto& test) { return std::string(test.param.isa); });

}  // namespace
}  // namespace halfbyte
