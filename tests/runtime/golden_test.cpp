// The golden models: outputs within the bound of the reference, greedy tokens equal, on every level
// of instructions; and bit-equal however the work is cut.
#include <gtest/gtest.h>

#include "run.h"

namespace halfbyte {
namespace {

using namespace test;

class Golden : public testing::TestWithParam<std::string> {
 protected:
  std::string path_ = model_path(GetParam());
  TensorFile golden_{path_ + "/golden.safetensors"};
};

TEST_P(Golden, OutputsOnEveryIsa) {
  ThreadPool pool(2);
  for (const std::string& isa : usable_isas()) {
    EXPECT_LT(golden_error(*Model::open(path_, pool, at_isa(isa)), golden_), kGoldenBound) << isa;
  }
}

TEST_P(Golden, GreedyTokensOnEveryIsa) {
  if (!golden_.has("greedy")) return;  // an encoder generates nothing
  ThreadPool pool(2);
  for (const std::string& isa : usable_isas()) {
    const auto model = Model::open(path_, pool, at_isa(isa));
    for (std::size_t row = 0; row < golden_.shape("greedy")[0]; ++row) {
      const std::vector<TokenId> expected = golden_.row("greedy", row);
      std::vector<TokenId> prompt = golden_.row("input_ids", row);
      Session session(*model);
      if (model->spec().encoder) {
        session.encode(prompt, golden_.row<std::uint8_t>("attention_mask", row));
        prompt = {static_cast<TokenId>(model->spec().decoder_start)};
      }
      EXPECT_EQ(greedy(session, prompt, expected.size()), expected) << isa << " row " << row;
    }
  }
}

TEST_P(Golden, SameBitsWithAnyNumberOfThreads) {
  for (const std::string& isa : usable_isas()) {
    std::vector<float> one;
    for (const std::size_t threads : {1u, 2u, 3u, 7u}) {
      ThreadPool pool(threads);
      const std::vector<float> output = output_of(*Model::open(path_, pool, at_isa(isa)), golden_);
      if (threads == 1) one = output;
      EXPECT_TRUE(output == one) << isa << ", " << threads << " threads";
    }
  }
}

INSTANTIATE_TEST_SUITE_P(Models, Golden, testing::ValuesIn(all_models()), [](const auto& param) {
  std::string name = param.param;
  std::replace(name.begin(), name.end(), '-', '_');
  return name;
});

// Families and options without a golden model of their own.
class Variants : public testing::TestWithParam<Variant> {};

TEST_P(Variants, LogitsAndGreedyTokens) {
  const TemporaryFolder folder;
  const TensorFile golden(variant_path(GetParam(), "golden.safetensors"));
  ThreadPool pool(2);
  const auto model = Model::open(assemble(GetParam(), folder), pool);
  const std::vector<TokenId> input = golden.row("input_ids", 0);
  SessionOptions options;
  options.context = 64;  // dynamic scaling: beyond the model's own
  const std::vector<float> logits = logits_of(*model, input, options);
  const std::size_t vocab = model->spec().vocab;
  std::vector<float> kept;
  for (const std::int64_t row : golden.ints("rows")) {
    const auto begin = logits.begin() + row * static_cast<std::ptrdiff_t>(vocab);
    kept.insert(kept.end(), begin, begin + static_cast<std::ptrdiff_t>(vocab));
  }
  EXPECT_LT(error_in_deviations(golden.floats("logits"), kept), kGoldenBound);
  std::vector<TokenId> expected;
  for (const std::int64_t id : golden.ints("greedy")) expected.push_back(static_cast<TokenId>(id));
  Session session(*model, options);
  EXPECT_EQ(greedy(session, input, expected.size()), expected);
}

INSTANTIATE_TEST_SUITE_P(Configs, Variants, testing::ValuesIn(kVariants), [](const auto& param) {
  std::string name = param.param.name;
  std::replace(name.begin(), name.end(), '-', '_');
  return name;
});

}  // namespace
}  // namespace halfbyte
