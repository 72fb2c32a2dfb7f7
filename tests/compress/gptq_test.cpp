// GPTQ on every grid: what must hold whatever the numbers.
#include "compress/gptq.h"

#include <cmath>
#include <limits>

#include <gtest/gtest.h>

#include "base/error.h"
#include "gptq_case.h"

namespace halfbyte {
namespace {

using test::GptqCase;
using test::GptqResult;
using test::GptqSettings;
using test::run_gptq;

GptqSettings rounding() {
  GptqSettings settings;
  settings.rtn = true;
  return settings;
}

GptqSettings unrefined() {
  GptqSettings settings;
  settings.gptq.refits = settings.gptq.sweeps = 0;
  return settings;
}

std::vector<float> decoded(const GptqCase& c, DType dtype, const GptqResult& result) {
  std::vector<float> values(c.n * c.k);
  decode_whole_rows(info(dtype), result.encoded.data(), values.data(), c.n, c.k);
  return values;
}

TEST(GptqTest, BeatsRoundingOnEveryGrid) {
  const GptqCase c(24, 512, 900);
  for (const Grid* grid : test::all_grids()) {
    const GptqResult rtn = run_gptq(c, grid->dtype, rounding());
    const GptqResult plain = run_gptq(c, grid->dtype, unrefined());
    const GptqResult refined = run_gptq(c, grid->dtype);
    EXPECT_TRUE(rtn.report.rounded);
    EXPECT_FALSE(refined.report.rounded);
    EXPECT_LT(plain.report.error, rtn.report.error) << name(grid->dtype);
    EXPECT_LT(refined.report.error, plain.report.error) << name(grid->dtype);
    GptqSettings settings;
    settings.hessian.descending = true;
    EXPECT_LT(run_gptq(c, grid->dtype, settings).report.error, rtn.report.error);
  }
}

TEST(GptqTest, ReportsWhatItWrites) {
  const GptqCase c(5, 256, 300);
  for (const Grid* grid : test::all_grids()) {
    const GptqResult result = run_gptq(c, grid->dtype);
    EXPECT_EQ(decoded(c, grid->dtype, result), result.values) << name(grid->dtype);
    const double error = c.error_of(result.values);
    EXPECT_NEAR(result.report.error, error, 1e-3 * error) << name(grid->dtype);
    const double size = c.error_of(std::vector<float>(c.n * c.k));
    EXPECT_NEAR(result.report.size, size, 1e-4 * size);
    EXPECT_NEAR(result.report.relative(), error / size, 2e-3 * error / size);
  }
}

// Each kind of sweep alone lowers the error, and so do more of them.
TEST(GptqTest, SweepsDescend) {
  const GptqCase c(24, 512, 900);
  for (const Grid* grid : test::all_grids()) {
    const auto error = [&](int refits, int sweeps) {
      GptqSettings settings;
      settings.gptq.refits = refits;
      settings.gptq.sweeps = sweeps;
      return run_gptq(c, grid->dtype, settings).report.error;
    };
    const double plain = error(0, 0);
    EXPECT_LT(error(0, 1), plain) << name(grid->dtype);
    EXPECT_LE(error(1, 0), plain) << name(grid->dtype);
    EXPECT_LE(error(4, 4), error(1, 1)) << name(grid->dtype);
  }
}

TEST(GptqTest, IndependentInputsLeaveRounding) {
  GptqCase c(9, 512, 1);
  std::fill(c.hessian.begin(), c.hessian.end(), 0.0f);
  for (std::size_t i = 0; i < c.k; ++i) c.hessian[i * c.k + i] = 1.0f;
  for (const Grid* grid : test::all_grids()) {
    for (const bool dynamic : {false, true}) {
      GptqSettings settings = unrefined();
      settings.gptq.dynamic_scales = dynamic;
      settings.gptq.pivot_importance = false;
      EXPECT_EQ(run_gptq(c, grid->dtype, settings).encoded,
                run_gptq(c, grid->dtype, rounding()).encoded)
          << name(grid->dtype);
    }
  }
}

TEST(GptqTest, BytesDoNotDependOnThreads) {
  const GptqCase c(150, 256, 300);
  for (const DType dtype : {DType::q4_0, DType::q4_k, DType::q3_k}) {
    for (const bool descending : {false, true}) {
      GptqSettings settings;
      settings.hessian.descending = descending;
      settings.threads = 1;
      const GptqResult one = run_gptq(c, dtype, settings);
      for (const std::size_t threads : {2, 3, 7}) {
        settings.threads = threads;
        const GptqResult many = run_gptq(c, dtype, settings);
        EXPECT_EQ(many.encoded, one.encoded) << name(dtype) << ' ' << threads;
        EXPECT_EQ(many.report.error, one.report.error);
      }
    }
  }
}

TEST(GptqTest, TheScaleOfHIsFree) {
  const GptqCase c(8, 256, 300);
  GptqCase larger = c;
  for (float& h : larger.hessian) h *= 1024.0f;
  EXPECT_EQ(run_gptq(c, DType::q4_0).encoded, run_gptq(larger, DType::q4_0).encoded);
}

// A pass is greedy: of a single row it may lose to rounding, of some different ones it must not.
TEST(GptqTest, OneRowOfOneBlock) {
  for (const Grid* grid : test::all_grids()) {
    double error = 0.0;
    double rounded = 0.0;
    for (std::size_t seed = 0; seed < 32; ++seed) {
      const GptqCase c(1, grid->block, 2 * grid->block, seed);
      error += run_gptq(c, grid->dtype).report.error;
      rounded += run_gptq(c, grid->dtype, rounding()).report.error;
    }
    EXPECT_LT(error, rounded) << name(grid->dtype);
  }
}

TEST(GptqTest, DeadColumnsBecomeZeroAndCostNothing) {
  GptqCase c(6, 256, 300);
  constexpr std::size_t kDead[] = {0, 31, 32, 100, 255};
  for (const std::size_t column : kDead) {
    for (std::size_t i = 0; i < c.k; ++i) {
      c.hessian[i * c.k + column] = c.hessian[column * c.k + i] = 0.0f;
    }
    for (std::size_t row = 0; row < c.n; ++row) c.weights[row * c.k + column] = 1e6f;
  }
  for (const DType dtype : {DType::q4_0, DType::q8_0, DType::q6_k}) {
    for (const bool rtn : {false, true}) {
      const GptqResult result = run_gptq(c, dtype, rtn ? rounding() : GptqSettings{});
      EXPECT_EQ(result.report.dead, 5U);
      EXPECT_LT(result.report.relative(), 0.02);
      for (std::size_t row = 0; row < c.n; ++row) {
        for (const std::size_t column : kDead) EXPECT_EQ(result.values[row * c.k + column], 0.0f);
      }
    }
  }
}

TEST(GptqTest, FewInputsNeedTheDamping) {
  const GptqCase c(6, 256, 10);  // H has rank 10
  const GptqResult result = run_gptq(c, DType::q4_0);
  EXPECT_FALSE(result.report.rounded);
  EXPECT_EQ(result.report.damping, 0.01);
  EXPECT_LT(result.report.error, run_gptq(c, DType::q4_0, rounding()).report.error);

  GptqSettings none;
  none.hessian.damping = 0.0;
  const GptqResult raised = run_gptq(c, DType::q4_0, none);
  EXPECT_FALSE(raised.report.rounded);
  EXPECT_GT(raised.report.damping, 0.0);
  EXPECT_LE(raised.report.damping, 0.01);
}

TEST(GptqTest, WhatCannotBeFactoredIsRounded) {
  GptqCase c(4, 64, 100);
  for (std::size_t i = 1; i < c.k; ++i) {  // no H of real inputs: far from positive definite
    c.hessian[i * c.k] = c.hessian[i] = 1e3f * c.hessian[i * c.k + i];
  }
  const GptqResult result = run_gptq(c, DType::q4_0);
  EXPECT_TRUE(result.report.rounded);
  EXPECT_EQ(result.report.damping, GptqHessian::kMostDamping);
  EXPECT_EQ(result.encoded, run_gptq(c, DType::q4_0, rounding()).encoded);

  std::fill(c.hessian.begin(), c.hessian.end(), 0.0f);  // calibration never came here
  const GptqResult unseen = run_gptq(c, DType::q4_0);
  EXPECT_EQ(unseen.report.relative(), 0.0);
  for (std::size_t i = 0; i < c.weights.size(); ++i) {
    EXPECT_NEAR(unseen.values[i], c.weights[i], 0.02) << "as if all inputs mattered alike";
  }
}

TEST(GptqTest, RowsAreWholeBlocks) {
  const GptqCase c(2, 288, 300);
  EXPECT_THROW(run_gptq(c, DType::q4_k), Error);
}

}  // namespace
}  // namespace halfbyte
