// Half and bfloat16 conversions: every pattern, every tie.
#include "base/half.h"

#include <cmath>
#include <limits>

#include <gtest/gtest.h>

namespace halfbyte {
namespace {

constexpr float kInfinity = std::numeric_limits<float>::infinity();

bool half_is_nan(unsigned h) {
  return (h & 0x7FFF) > 0x7C00;
}

// The value of a finite half, from the definition.
double half_value(unsigned h) {
  const int exponent = static_cast<int>(h >> 10 & 31);
  const int mantissa = static_cast<int>(h & 1023);
  const double magnitude =
      exponent == 0 ? std::ldexp(mantissa, -24) : std::ldexp(1024 + mantissa, exponent - 25);
  return (h & 0x8000) != 0 ? -magnitude : magnitude;
}

TEST(Half, EveryPatternDecodes) {
  for (unsigned h = 0; h < 65536; ++h) {
    const float f = half_to_float(static_cast<std::uint16_t>(h));
    EXPECT_EQ(std::signbit(f), h >= 0x8000) << h;
    if (half_is_nan(h)) {
      EXPECT_TRUE(std::isnan(f)) << h;
      EXPECT_NE(std::bit_cast<std::uint32_t>(f) & 0x400000u, 0u) << "not quiet: " << h;
    } else if ((h & 0x7FFF) == 0x7C00) {
      EXPECT_TRUE(std::isinf(f)) << h;
    } else {
      EXPECT_EQ(f, half_value(h)) << h;
    }
  }
}

TEST(Half, EveryPatternComesBack) {
  for (unsigned h = 0; h < 65536; ++h) {
    const unsigned back = float_to_half(half_to_float(static_cast<std::uint16_t>(h)));
    EXPECT_EQ(back, half_is_nan(h) ? ((h & 0x8000) | 0x7E00) : h);
  }
}

// Between each half and the next (where the next of the largest is where the range ends).
TEST(Half, TiesGoToEven) {
  for (unsigned h = 0; h < 0x7C00; ++h) {
    const double next = h + 1 == 0x7C00 ? 65536.0 : half_value(h + 1);
    const auto middle = static_cast<float>((half_value(h) + next) / 2);  // exact
    const unsigned even = h % 2 == 0 ? h : h + 1;
    EXPECT_EQ(float_to_half(middle), even);
    EXPECT_EQ(float_to_half(-middle), even | 0x8000);
    EXPECT_EQ(float_to_half(std::nextafter(middle, 0.0f)), h);
    EXPECT_EQ(float_to_half(std::nextafter(middle, kInfinity)), h + 1);
  }
}

TEST(Half, OutOfRange) {
  EXPECT_EQ(float_to_half(std::numeric_limits<float>::max()), 0x7C00);
  EXPECT_EQ(float_to_half(-kInfinity), 0xFC00);
  EXPECT_EQ(float_to_half(std::numeric_limits<float>::denorm_min()), 0);
  EXPECT_EQ(float_to_half(-std::numeric_limits<float>::denorm_min()), 0x8000);
  EXPECT_EQ(float_to_half(std::bit_cast<float>(0xFF800001u)), 0xFE00);
}

TEST(BFloat16, EveryPatternComesBack) {
  for (unsigned b = 0; b < 65536; ++b) {
    const float f = bfloat16_to_float(static_cast<std::uint16_t>(b));
    EXPECT_EQ(std::bit_cast<std::uint32_t>(f), b << 16);
    const bool is_nan = (b & 0x7FFF) > 0x7F80;
    EXPECT_EQ(float_to_bfloat16(f), is_nan ? b | 0x40 : b);
  }
}

TEST(BFloat16, TiesGoToEven) {
  for (std::uint32_t b = 0; b < 65536; ++b) {
    if ((b & 0x7FFF) >= 0x7F80) continue;  // infinity and NaNs
    const auto round = [b](std::uint32_t low) {
      return float_to_bfloat16(std::bit_cast<float>(b << 16 | low));
    };
    EXPECT_EQ(round(0x7FFF), b);
    EXPECT_EQ(round(0x8000), b % 2 == 0 ? b : b + 1);
    EXPECT_EQ(round(0x8001), b + 1);
  }
}

TEST(BFloat16, NanWithLowBitsOnlyStaysNan) {
  EXPECT_EQ(float_to_bfloat16(std::bit_cast<float>(0x7F800001u)), 0x7FC0);
  EXPECT_EQ(float_to_bfloat16(std::bit_cast<float>(0xFFFFFFFFu)), 0xFFFF);
}

}  // namespace
}  // namespace halfbyte
