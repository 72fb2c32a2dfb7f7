// What a method makes of groups: each is tried once, among the original's tensors, whatever the
// number of threads; costs follow it, without the probe's noise.
#include "compress/allocate/survey.h"

#include <cmath>

#include <gtest/gtest.h>

#include "compress/allocate/ledger.h"
#include "compress/allocate/sensitivity.h"
#include "support.h"

namespace halfbyte {
namespace {

using test::golden_model;

TEST(SurveyRecipe, WhatOnlyRoundsIsNotSurveyed) {
  EXPECT_TRUE(parse_recipe("rtn").only_rounds());
  for (const char* names : {"gptq", "awq", "smooth,rtn", "best"}) {
    EXPECT_FALSE(parse_recipe(names).only_rounds()) << names;
  }
}

TEST(SurveyRecipe, AFineHeadIsRounded) {
  const Recipe recipe = parse_recipe("awq,gptq");
  EXPECT_EQ(recipe.head_solver(DType::q4_k).name, "gptq");
  EXPECT_EQ(recipe.head_solver(DType::q5_k).name, "gptq");
  EXPECT_EQ(recipe.head_solver(DType::q6_k).name, "rtn");
}

// Two groups that lose the same by rounding; what a method mends gets the fewer bits.
TEST(SurveyCosts, WhatAMethodMendsGetsFewerBits) {
  const Group group{0, nullptr, {0}, {DType::q3_k, DType::q4_k, DType::q6_k}, {3, 4, 6}};
  const std::vector<double> errors = {4.0, 1.0, 0.06};
  const auto bytes_of_first = [&](double first) {
    const std::vector<Options> costs = {costs_of(group, errors, 1, first),
                                        costs_of(group, errors, 1, 0.01)};
    EXPECT_DOUBLE_EQ(costs[1][0].cost, 0.04);
    return costs[0][solve_budget(costs, 9)[0]].bytes;
  };
  EXPECT_EQ(bytes_of_first(0.001), 3U);
  EXPECT_EQ(bytes_of_first(0.1), 6U);
}

TEST(SurveyCosts, NoiseIsNoCost) {
  EXPECT_DOUBLE_EQ(above_noise(3.0, 1.0), 2.0);
  // Something is left, so that more bits are never worse than fewer.
  EXPECT_GT(above_noise(1.0, 1.5), 0.0);
  EXPECT_LT(above_noise(1.0, 1.5), 0.5);
}

class Surveyed : public testing::Test {
 protected:
  std::vector<SurveyedGroup> run(const char* names, double bits, std::size_t threads = 2) {
    const ModelFiles source(golden_model("llama"));
    CalibrationOptions calibration;
    calibration.samples = test::random_samples(source.spec());
    const Recipe recipe = parse_recipe(names);
    const TypePolicy policy{DType::f16, DType::f16, DType::f16, DType::f32, DType::f32};
    const AllocationRequest request{
        source, need_target("gguf"), policy, {}, Budget{16.5, std::nullopt}, calibration, recipe};
    plan_ = make_plan(source.spec());
    groups_ = make_groups(plan_, Ledger(request).jobs(), request.target, {});
    const std::vector<std::size_t> probed = probed_options(groups_, bits);
    std::vector<SurveyedGroup> all;
    ThreadPool pool(threads);
    survey({source, recipe, calibration, folder_ / "", groups_, probed}, pool,
           [&](const SurveyedGroup& one) { all.push_back(one); });
    return all;
  }
  // Relative, of the tensors in place of the original's.
  double distance(const ChangedTensor& changed) const {
    const WeightRef& ref = plan_.weights[static_cast<std::size_t>(changed.weight)];
    const ModelFiles source(golden_model("llama"));
    const std::vector<float> own = test::values_of(source.need(ref.name));
    std::vector<float> values(own.size());
    decode_rows({ref.name, changed.dtype, {ref.n, ref.k}, changed.rows}, 0, ref.n, values.data());
    double error = 0.0;
    double size = 0.0;
    for (std::size_t i = 0; i < own.size(); ++i) {
      error += std::pow(double{own[i]} - double{values[i]}, 2);
      size += std::pow(double{own[i]}, 2);
    }
    return std::sqrt(error / size);
  }
  test::TemporaryFolder folder_;
  Plan plan_;
  std::vector<Group> groups_;
};

TEST_F(Surveyed, EachGroupOfABlockComesOnce) {
  const std::vector<SurveyedGroup> all = run("gptq", 4.5);
  std::vector<std::size_t> seen;
  for (const SurveyedGroup& one : all) {
    const Group& group = groups_[one.group];
    if (group.step != nullptr) seen.push_back(one.group);
    ASSERT_EQ(one.changes.size(), group.weights.size());
    ASSERT_EQ(one.errors.size(), group.types.size());
    for (std::size_t i = 0; i < group.weights.size(); ++i) {
      EXPECT_EQ(one.changes[i]->weight, group.weights[i]);
    }
    EXPECT_GT(one.errors.front(), one.errors.back());
  }
  std::vector<std::size_t> expected;
  const std::vector<std::size_t> probed = probed_options(groups_, 4.5);
  for (std::size_t i = 0; i < groups_.size(); ++i) {
    const Group& group = groups_[i];
    if (group.step != nullptr && is_quantized(group.types[probed[i]])) expected.push_back(i);
  }
  EXPECT_EQ(seen, expected);
}

// Scales of a transform are taken back: in a fine type tensors are the original's again.
TEST_F(Surveyed, ChangesStandAmongTheOriginals) {
  for (const char* names : {"smooth,gptq", "awq,gptq", "awq"}) {
    for (const SurveyedGroup& one : run(names, 8.5)) {
      for (const auto& changed : one.changes) {
        EXPECT_LT(distance(*changed), 0.02) << names << " " << changed->weight;
      }
    }
  }
}

TEST_F(Surveyed, ThreadsDoNotShow) {
  const std::vector<SurveyedGroup> one = run("awq,gptq", 4.5, 1);
  const std::vector<SurveyedGroup> three = run("awq,gptq", 4.5, 3);
  ASSERT_EQ(one.size(), three.size());
  for (std::size_t i = 0; i < one.size(); ++i) {
    EXPECT_EQ(one[i].errors, three[i].errors);
    for (std::size_t j = 0; j < one[i].changes.size(); ++j) {
      EXPECT_EQ(one[i].changes[j]->rows, three[i].changes[j]->rows);
    }
  }
}

}  // namespace
}  // namespace halfbyte
