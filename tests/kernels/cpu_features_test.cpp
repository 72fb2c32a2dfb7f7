// CPU features as a value: detection, levels, masking.
#include "kernels/cpu_features.h"

#include <gtest/gtest.h>

#include "base/error.h"

namespace halfbyte {
namespace {

TEST(CpuFeaturesTest, DetectionIsStableAndOnAKnownLevel) {
  const CpuFeatures features = detect_cpu_features();
  EXPECT_EQ(features, detect_cpu_features());
  const auto levels = isa_levels();
  EXPECT_NE(std::find(levels.begin(), levels.end(), isa_level_of(features)), levels.end());
  EXPECT_EQ(levels.front(), "scalar");
}

TEST(CpuFeaturesTest, MaskingToALevelNeverExceedsIt) {
  const CpuFeatures all = {~0u};
  for (const std::string_view level : isa_levels()) {
    EXPECT_EQ(isa_level_of(mask_to_isa(all, level)), level);
  }
  EXPECT_EQ(mask_to_isa(all, "scalar").bits, 0u);
  EXPECT_EQ(mask_to_isa({}, isa_levels().back()).bits, 0u);
}

#if defined(__x86_64__)
TEST(CpuFeaturesTest, WhatTheMakerIsFastWith) {
  using enum CpuFeature;
  const CpuFeatures here = detect_cpu_features();
  EXPECT_TRUE(!here.has(fast_bf16) || here.has(avx512bf16));
  EXPECT_FALSE(here.has(fast_bf16) && here.has(read_streams));  // one maker each
  EXPECT_TRUE(mask_to_isa({~0u}, "avx2").has(read_streams));
  EXPECT_FALSE(mask_to_isa({~0u}, "avxvnni").has(fast_bf16));
  EXPECT_TRUE(mask_to_isa({~0u}, "avx512vnni").has(fast_bf16));
}
#endif

TEST(CpuFeaturesTest, UnknownLevelsAreListed) {
  try {
    mask_to_isa({}, "sse9");
    FAIL();
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ErrorCode::kUsage);
    for (const std::string_view level : isa_levels()) {
      EXPECT_NE(error.message().find(level), std::string::npos) << level;
    }
  }
}

}  // namespace
}  // namespace halfbyte
