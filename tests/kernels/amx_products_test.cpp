// Products of AMX tiles, int8 and bf16, against plain loops: what the emulator must compute, and
// hardware does.
#include <gtest/gtest.h>

#include "support/amx_emulator.h"

#if defined(__x86_64__) && defined(__linux__)
#include <algorithm>
#include <array>
#include <bit>
#include <cfenv>
#include <cmath>
#include <cstring>
#include <random>

#include "amx_case.h"
#include "amx_instructions.h"

namespace halfbyte::test {
namespace {

using AmxProductsTest = AmxTest;

void expect_products(const Matrices& in, Sizes sizes, AmxDot dot, const Bytes& expected) {
  const auto name = testing::Message() << "instruction " << static_cast<int>(dot) << ", " << sizes.m
                                       << " x " << sizes.n << " x " << sizes.k;
  EXPECT_EQ(product(in, sizes, dot, {0, 1, 2}, amx_dot_012), expected) << name;
  EXPECT_EQ(product(in, sizes, dot, {7, 6, 5}, amx_dot_765), expected) << name;
  EXPECT_EQ(product(in, sizes, dot, {3, 5, 4}, amx_dot_354), expected) << name;
}

void expect_int8(const Matrices& in, Sizes sizes) {
  expect_products(in, sizes, AmxDot::ssd, int8_reference<std::int8_t, std::int8_t>(in, sizes));
  expect_products(in, sizes, AmxDot::sud, int8_reference<std::int8_t, std::uint8_t>(in, sizes));
  expect_products(in, sizes, AmxDot::usd, int8_reference<std::uint8_t, std::int8_t>(in, sizes));
  expect_products(in, sizes, AmxDot::uud, int8_reference<std::uint8_t, std::uint8_t>(in, sizes));
}

TEST_F(AmxProductsTest, Int8ProductsOfAllSigns) {
  for (const Sizes sizes : kSizes) expect_int8({}, sizes);
}

TEST_F(AmxProductsTest, Int8SumsWrapAround) {
  Matrices in;
  for (Bytes* matrix : {&in.a, &in.b}) std::fill(matrix->begin(), matrix->end(), 0x80);
  for (const std::int32_t start : {0x7FFFFFFF, -0x7FFFFFFF - 1, 0}) {
    for (int i = 0; i < 16 * kStride; i += 4) std::memcpy(in.c.data() + i, &start, 4);
    expect_int8(in, {16, 16, 16});
  }
}

// bf16, the rules of the manual by the hardware's own (or the C library's) fused multiply-add.

float flushed(float value) {
  return std::fpclassify(value) == FP_SUBNORMAL ? std::copysign(0.0f, value) : value;
}
float bf16_at(const Bytes& data, int row, int index) {
  const std::uint32_t bits = element<std::uint16_t>(data, row, kStride, index);
  return flushed(std::bit_cast<float>(bits << 16));
}

Bytes bf16_reference(const Matrices& in, Sizes sizes) {
  Bytes out = in.c;
  for (int m = 0; m < sizes.m; ++m) {
    for (int n = 0; n < sizes.n; ++n) {
      float sums[2] = {0, 0};
      for (int k = 0; k < 2 * sizes.k; ++k) {
        float& sum = sums[k % 2];
        sum = flushed(std::fma(bf16_at(in.a, m, k), bf16_at(in.b, k / 2, 2 * n + k % 2), sum));
      }
      const float c = flushed(element<float>(in.c, m, kStride, n));
      const float sum = flushed(c + flushed(sums[0] + sums[1]));
      std::memcpy(out.data() + m * kStride + 4 * n, &sum, 4);
    }
  }
  return out;
}

// Random signs and mantissas, and exponents between the given powers of two. The seed changes all.
Matrices random_bf16(int low, int high, unsigned seed) {
  std::mt19937 random(seed);
  const auto top_half = [&] {
    const auto exponent =
        static_cast<unsigned>(std::uniform_int_distribution(low, high)(random) + 127);
    return static_cast<std::uint16_t>((random() & 0x8000u) | (exponent << 7) | (random() & 0x7Fu));
  };
  Matrices in;
  for (Bytes* matrix : {&in.a, &in.b, &in.c}) {
    for (std::size_t i = 0; i < matrix->size(); i += 2) {
      const std::uint16_t half =
          matrix == &in.c && i % 4 == 0 ? static_cast<std::uint16_t>(random()) : top_half();
      std::memcpy(matrix->data() + i, &half, 2);
    }
  }
  return in;
}

TEST_F(AmxProductsTest, Bf16Products) {
  for (const Sizes sizes : kSizes) {
    const Matrices in = random_bf16(-4, 4, 1);
    expect_products(in, sizes, AmxDot::bf16, bf16_reference(in, sizes));
  }
}

// Exponents far apart: sums round, cancel, and end in or below the denormals (-127 is one).
TEST_F(AmxProductsTest, Bf16RoundsOnceAndFlushesDenormals) {
  const std::array<int, 2> ranges[] = {{-20, 20}, {-68, -58}, {-127, -40}, {-127, 0}, {55, 62}};
  for (const auto [low, high] : ranges) {
    for (unsigned seed = 0; seed < 4; ++seed) {
      const Matrices in = random_bf16(low, high, seed);
      expect_products(in, {16, 16, 16}, AmxDot::bf16, bf16_reference(in, {16, 16, 16}));
    }
  }
}

// Two pairs, a and b, in bits: what c becomes.
using TwoPairs = std::array<std::uint32_t, 2>;
std::uint32_t two_bf16(std::uint32_t c, const TwoPairs& a, const TwoPairs& b) {
  amx_ldtilecfg(config_of({{1, 4}, {1, 8}, {2, 4}}));
  amx_tileloadd(0, &c, 0);
  amx_tileloadd(1, a.data(), 0);
  amx_tileloadd(2, b.data(), 4);
  amx_dot_012(AmxDot::bf16);
  amx_tilestored(0, &c, 0);
  return c;
}
std::uint32_t one_bf16(std::uint32_t c, std::uint32_t a, std::uint32_t b) {
  return two_bf16(c, {a, 0}, {b, 0});
}

TEST_F(AmxProductsTest, Bf16EdgeCases) {
  constexpr std::uint32_t kOne = 0x3F80, kInfinity = 0x7F80, kTwoPow64 = 0x5F80,
                          kTwoPowMinus63 = 0x2000;
  EXPECT_EQ(one_bf16(0, kOne | kOne << 16, kOne), 0x3F800000u);
  EXPECT_EQ(one_bf16(0x00400000, 0, 0), 0u) << "a denormal sum counts as 0";
  EXPECT_EQ(one_bf16(0, 0x0040, kTwoPow64), 0u) << "a denormal factor counts as 0";
  EXPECT_EQ(one_bf16(0, kTwoPowMinus63, kTwoPowMinus63), 0x00800000u) << "the least normal number";
  EXPECT_EQ(one_bf16(0, kTwoPowMinus63, kTwoPowMinus63 - 0x80), 0u) << "half of it";
  constexpr std::uint32_t kTwoPowMinus76 = 0x1980, kSign = 0x8000;
  EXPECT_EQ(two_bf16(0, {kTwoPowMinus63, kTwoPowMinus76 | kSign}, {kTwoPowMinus63, kTwoPowMinus76}),
            0x00800000u)
      << "less than that, but not when rounded";
  EXPECT_EQ(one_bf16(0, kTwoPow64, kTwoPow64), 0x7F800000u) << "overflow";
  constexpr std::uint32_t kTwoPow63 = 0x5F00;
  EXPECT_EQ(two_bf16(0, {kTwoPow63 | kSign, kTwoPow64}, {kTwoPow64, kTwoPow64}), 0x7F000000u)
      << "only the sum is rounded, so the product may overflow";
  EXPECT_EQ(one_bf16(0, kInfinity, 0xBF80), 0xFF800000u);
  EXPECT_TRUE(std::isnan(std::bit_cast<float>(one_bf16(0, kInfinity, 0))));
  EXPECT_TRUE(std::isnan(std::bit_cast<float>(one_bf16(0xFF800000, kInfinity, kOne))));
  // Even and odd are added to each other before they meet c: 2^-24 twice is not lost against 1.
  constexpr std::uint32_t kTwoPowMinus24 = 0x3380;
  EXPECT_EQ(one_bf16(0x3F800000, kTwoPowMinus24 * 0x10001u, kOne * 0x10001u), 0x3F800001u);
}

TEST_F(AmxProductsTest, Bf16IgnoresTheRoundingModeAndKeepsIt) {
  const Matrices in = random_bf16(-4, 4, 9);
  const Bytes expected = bf16_reference(in, {16, 16, 16});
  ASSERT_EQ(std::fesetround(FE_UPWARD), 0);
  const Bytes out = product(in, {16, 16, 16}, AmxDot::bf16, {0, 1, 2}, amx_dot_012);
  EXPECT_EQ(std::fegetround(), FE_UPWARD);
  std::fesetround(FE_TONEAREST);
  EXPECT_EQ(out, expected);
}

}  // namespace
}  // namespace halfbyte::test

#endif
