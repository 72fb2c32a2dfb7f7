// w4a8: rows as they are stored, codes that never leave a signed byte, and the search for scales.
#include <cmath>
#include <cstring>
#include <limits>
#include <random>
#include <vector>

#include <gtest/gtest.h>

#include "tensor/dtype.h"

namespace halfbyte {
namespace {

constexpr std::size_t kSize = 96;

const DTypeInfo& w4a8() {
  return info(DType::w4a8);
}

std::vector<float> random_row(unsigned seed) {
  std::mt19937 random(seed);
  std::normal_distribution<float> normal(0.0f, 0.02f);
  std::vector<float> x(kSize);
  for (float& v : x) v = normal(random);
  // Groups of different sizes, and one all on one side.
  for (std::size_t i = 0; i < 32; ++i) x[i] = std::fabs(x[i]) * 2.0f;
  for (std::size_t i = 64; i < kSize; ++i) x[i] *= 0.2f;
  return x;
}

std::vector<std::byte> encoded(const std::vector<float>& x, const float* importance = nullptr) {
  std::vector<std::byte> row(*row_bytes(DType::w4a8, x.size()));
  importance == nullptr ? w4a8().encode(x.data(), row.data(), x.size())
                        : w4a8().encode_weighted(x.data(), importance, row.data(), x.size());
  return row;
}

std::vector<float> decoded(const std::vector<std::byte>& row, std::size_t n = kSize) {
  std::vector<float> x(n);
  w4a8().decode(row.data(), x.data(), n);
  return x;
}

TEST(RowInt4, DecodesWhatItsBytesSay) {
  std::vector<std::byte> row(*row_bytes(DType::w4a8, 32), std::byte{0xF0});
  const float scale = 0.5f;
  std::memcpy(row.data(), &scale, sizeof(scale));
  row[4] = std::byte{0x72};  // scale 3, zero 7
  const std::vector<float> x = decoded(row, 32);
  EXPECT_EQ(x[0], 0.5f * (0 - 7) * 3);
  EXPECT_EQ(x[16], 0.5f * (15 - 7) * 3);
  row[4] = std::byte{0x0F};  // 15 * 16 = 240 is -16 in a signed byte
  EXPECT_EQ(decoded(row, 32)[16], 0.5f * -16);
  EXPECT_EQ(row_bytes(DType::w4a8, 4096), 4u + 4096 / 32 * 17);
}

// The protective range: whatever codes a method chooses, kernels need no more than a byte.
TEST(RowInt4, NoCodeOfAnEncodedGroupLeavesASignedByte) {
  for (unsigned seed = 0; seed < 200; ++seed) {
    std::vector<float> x = random_row(seed);
    for (float& v : x) v *= seed % 2 == 0 ? 1.0f : -1.0f;
    const std::vector<std::byte> row = encoded(x);
    for (std::size_t i = 0; i < kSize / 32; ++i) {
      const int integers = std::to_integer<int>(row[4 + i * 17]);
      const int scale = (integers & 15) + 1, zero = integers >> 4;
      EXPECT_LE((15 - zero) * scale, 127) << seed;
      EXPECT_GE(-zero * scale, -128) << seed;
    }
  }
}

double squared_error(const std::vector<float>& x, const std::vector<float>& y) {
  double sum = 0.0;
  for (std::size_t i = 0; i < x.size(); ++i) sum += std::pow(double{x[i]} - double{y[i]}, 2.0);
  return sum;
}

// With half the bits for scales that q4_0 has, but a zero point and a search.
TEST(RowInt4, RoundsNoWorseThanQ4_0) {
  const DTypeInfo& plain = info(DType::q4_0);
  double error = 0.0, plain_error = 0.0;
  for (unsigned seed = 0; seed < 100; ++seed) {
    const std::vector<float> x = random_row(seed);
    error += squared_error(x, decoded(encoded(x)));
    std::vector<std::byte> row(*row_bytes(DType::q4_0, kSize));
    std::vector<float> y(kSize);
    plain.encode(x.data(), row.data(), kSize);
    plain.decode(row.data(), y.data(), kSize);
    plain_error += squared_error(x, y);
  }
  EXPECT_LT(error, plain_error);
  RecordProperty("ratio", std::to_string(error / plain_error));
}

TEST(RowInt4, ImportanceMakesTheWeightedErrorSmaller) {
  std::mt19937 random(3);
  std::lognormal_distribution<float> lognormal(0.0f, 1.0f);
  double plain = 0.0, weighted = 0.0;
  for (unsigned seed = 0; seed < 100; ++seed) {
    const std::vector<float> x = random_row(seed);
    std::vector<float> importance(kSize);
    for (float& w : importance) w = lognormal(random);
    const auto add_error = [&](const std::vector<float>& y, double& sum) {
      for (std::size_t i = 0; i < kSize; ++i) {
        sum += double{importance[i]} * std::pow(double{x[i]} - double{y[i]}, 2.0);
      }
    };
    add_error(decoded(encoded(x)), plain);
    add_error(decoded(encoded(x, importance.data())), weighted);
  }
  EXPECT_LT(weighted, 0.95 * plain);
  RecordProperty("ratio", std::to_string(weighted / plain));
}

TEST(RowInt4, ZerosAndWhatIsNotFinite) {
  EXPECT_EQ(decoded(encoded(std::vector<float>(kSize, 0.0f))), std::vector<float>(kSize, 0.0f));
  std::vector<float> x = random_row(1);
  x[40] = std::numeric_limits<float>::infinity();
  for (const float v : decoded(encoded(x))) EXPECT_TRUE(std::isnan(v));
  for (const float tiny : {1e-44f, 1e-38f, 1e-34f}) {
    for (const float v : decoded(encoded(std::vector<float>(kSize, tiny)))) {
      EXPECT_NEAR(v, tiny, 2e-36f);
    }
  }
}

}  // namespace
}  // namespace halfbyte
