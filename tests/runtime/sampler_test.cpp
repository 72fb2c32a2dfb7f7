// Sampling: what is cut, ties, seeds, the penalty.
#include "runtime/sampler.h"

#include <cmath>
#include <map>
#include <set>

#include <gtest/gtest.h>

namespace halfbyte {
namespace {

// Probabilities 0.4, 0.3, 0.2, 0.1 at temperature 1, not in order.
const std::vector<float> kLogits = {std::log(0.2f), std::log(0.4f), std::log(0.1f), std::log(0.3f)};

SamplingOptions everything() {
  SamplingOptions options;
  options.temperature = 1.0f;
  options.top_k = 0;
  options.top_p = 1.0f;
  options.min_p = 0.0f;
  return options;
}

std::map<TokenId, int> drawn(const SamplingOptions& options, int count = 4000) {
  Sampler sampler(options);
  std::map<TokenId, int> counts;
  for (int i = 0; i < count; ++i) ++counts[sampler.sample(kLogits, {})];
  return counts;
}

std::set<TokenId> support(const SamplingOptions& options) {
  std::set<TokenId> ids;
  for (const auto& [id, count] : drawn(options)) ids.insert(id);
  return ids;
}

using Ids = std::set<TokenId>;

TEST(Sampler, DrawsByProbability) {
  const auto counts = drawn(everything());
  const double expected[] = {0.2, 0.4, 0.1, 0.3};
  for (const auto& [id, count] : counts) EXPECT_NEAR(count / 4000.0, expected[id], 0.03) << id;
  EXPECT_EQ(counts.size(), 4u);
}

TEST(Sampler, TemperatureSharpens) {
  SamplingOptions options = everything();
  options.temperature = 0.5f;  // squares the odds: 16, 9, 4, 1 of 30
  EXPECT_NEAR(drawn(options)[1] / 4000.0, 16.0 / 30.0, 0.03);
}

TEST(Sampler, TopKKeepsTheBest) {
  SamplingOptions options = everything();
  const Ids expected[] = {{}, {1}, {1, 3}, {0, 1, 3}, {0, 1, 2, 3}, {0, 1, 2, 3}};
  for (const std::uint32_t k : {1u, 2u, 3u, 4u, 5u}) {
    options.top_k = k;
    EXPECT_EQ(support(options), expected[k]) << k;
  }
}

TEST(Sampler, TopPKeepsTheFewestThatReachIt) {
  SamplingOptions options = everything();
  const std::pair<float, Ids> cases[] = {
      {0.0f, {1}},        {0.39f, {1}},       {0.41f, {1, 3}},      {0.69f, {1, 3}},
      {0.71f, {0, 1, 3}}, {0.89f, {0, 1, 3}}, {0.95f, {0, 1, 2, 3}}};
  for (const auto& [p, ids] : cases) {
    options.top_p = p;
    EXPECT_EQ(support(options), ids) << p;
  }
}

TEST(Sampler, MinPIsRelativeToTheBest) {
  SamplingOptions options = everything();
  const std::pair<float, Ids> cases[] = {
      {0.24f, {0, 1, 2, 3}}, {0.26f, {0, 1, 3}}, {0.51f, {1, 3}}, {0.76f, {1}}, {1.0f, {1}}};
  for (const auto& [p, ids] : cases) {
    options.min_p = p;
    EXPECT_EQ(support(options), ids) << p;
  }
}

TEST(Sampler, GreedyTakesTheSmallerIdOfEquals) {
  SamplingOptions options;
  options.temperature = 0.0f;
  EXPECT_EQ(Sampler(options).sample(std::vector<float>{1, 3, 2, 3}, {}), 1);
  EXPECT_EQ(Sampler(options).sample(std::vector<float>(5, 0.0f), {}), 0);
}

TEST(Sampler, SameSeedSameTokens) {
  SamplingOptions options = everything();
  const auto sequence = [&](std::uint64_t seed) {
    options.seed = seed;
    Sampler sampler(options);
    std::vector<TokenId> ids;
    for (int i = 0; i < 50; ++i) ids.push_back(sampler.sample(kLogits, {}));
    return ids;
  };
  EXPECT_EQ(sequence(7), sequence(7));
  EXPECT_NE(sequence(7), sequence(8));
}

TEST(Sampler, PenaltyMakesRecentTokensLessLikely) {
  SamplingOptions options;
  options.temperature = 0.0f;
  options.repeat_penalty = 2.0f;
  const std::vector<float> logits = {1.0f, 3.0f, 2.0f, -1.0f};
  EXPECT_EQ(Sampler(options).sample(logits, std::vector<TokenId>{}), 1);
  EXPECT_EQ(Sampler(options).sample(logits, std::vector<TokenId>{1, 1, 1}), 2);  // once, not thrice
  EXPECT_EQ(Sampler(options).sample(std::vector<float>{-3.0f, -2.0f}, std::vector<TokenId>{1}), 0);
  options.repeat_last = 2;  // further back is forgotten
  EXPECT_EQ(Sampler(options).sample(logits, std::vector<TokenId>{1, 0, 0}), 1);
}

TEST(Sampler, NotANumberIsNeverDrawn) {
  SamplingOptions options = everything();
  Sampler sampler(options);
  const std::vector<float> logits = {NAN, 0.0f, NAN};
  for (int i = 0; i < 20; ++i) EXPECT_EQ(sampler.sample(logits, {}), 1);
  options.temperature = 0.0f;
  EXPECT_EQ(Sampler(options).sample(logits, {}), 1);
}

}  // namespace
}  // namespace halfbyte
