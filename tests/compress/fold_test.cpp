// A fold changes weights and what is known of their inputs, and nothing that the model computes.
#include "compress/fold.h"

#include <random>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "blocks.h"

namespace halfbyte {
namespace {

using test::Blocks;
using test::golden_model;
using testing::ElementsAre;

constexpr FoldKind kNorm = FoldKind::norm;
constexpr FoldKind kValue = FoldKind::value;
constexpr FoldKind kUp = FoldKind::up;

std::vector<FoldKind> kinds_of(const std::vector<Fold>& folds) {
  std::vector<FoldKind> kinds;
  kinds.reserve(folds.size());
  for (const Fold& fold : folds) kinds.push_back(fold.kind);
  return kinds;
}

class RandomScales {
 public:
  std::vector<float> operator()(const Fold& fold) {
    std::vector<float> scales(fold.channels);
    for (float& scale : scales) scale = std::exp2(exponent_(random_));  // 0.5 to 2
    return scales;
  }

 private:
  std::mt19937 random_{7};
  std::uniform_real_distribution<float> exponent_{-1.0f, 1.0f};
};

class Folds : public testing::TestWithParam<std::string> {
 protected:
  ThreadPool pool_{2};
};

TEST_P(Folds, LeaveTheOutputsAsTheyAre) {
  Blocks blocks(golden_model(GetParam()), pool_);
  const std::vector<float> expected = test::output_of(blocks.files, pool_);
  RandomScales random;
  for (const Block& block : blocks.all) {
    StatsTap inputs = blocks.tap(block);
    blocks.transform(block, inputs, [&](BlockTask& task) {
      for (const Fold& fold : blocks.folds(block)) apply_fold(fold, random(fold), task);
    });
  }
  EXPECT_LT(test::relative_error(expected, test::output_of(blocks.files, pool_)), 1e-4);
  for (const Block& block : blocks.all) {
    for (const Fold& fold : blocks.folds(block)) {
      const int weight = fold.consumer->pieces[0].weight;
      const std::string& name = blocks.plan.weights[static_cast<std::size_t>(weight)].name;
      const ModelFiles original(golden_model(GetParam()));
      EXPECT_GT(test::relative_error(test::values_of(original.need(name)),
                                     test::values_of(blocks.files.need(name))),
                0.1)
          << name;
    }
  }
}

std::vector<Sample> samples_for(const ModelSpec& spec) {
  return {test::some_tokens(spec, 17, 1), test::some_tokens(spec, 30, 2)};
}

TEST_P(Folds, ScaleTheStatisticsAsTheInputsAre) {
  const test::TemporaryFolder folder;
  Blocks blocks(golden_model(GetParam()), pool_);
  const std::vector<Sample> samples = samples_for(blocks.files.spec());
  BlockRunner runner(blocks.files, samples, folder.path(), pool_, detect_cpu_features(), [] {});
  RandomScales random;
  const auto watch = [&](const Block& block, bool keep) {
    StatsTap tap(runner.plan(), runner.stack_of(block).steps, block.begin, block.end, &blocks.gram);
    runner.run(block, {.compute = Compute::f32, .tap = &tap, .keep = keep});
    return tap;
  };
  for (const Block& block : blocks.all) {
    runner.begin(block);
    StatsTap before = watch(block, false);
    const std::vector<Fold> folds = folds_of(runner.plan(), runner.stack_of(block), block);
    blocks.transform(block, before, [&](BlockTask& task) {
      for (const Fold& fold : folds) apply_fold(fold, random(fold), task);
    });
    const StatsTap after = watch(block, true);
    runner.finish(block);
    for (const Fold& fold : folds) {
      const InputStats& told = before.of(*fold.consumer);
      const InputStats& seen = after.of(*fold.consumer);
      for (std::uint64_t i = 0; i < told.k; ++i) {
        EXPECT_NEAR(told.square[i], seen.square[i], 1e-3 * seen.square[i]);
        EXPECT_NEAR(told.magnitude[i], seen.magnitude[i], 1e-3 * seen.magnitude[i]);
        EXPECT_NEAR(told.peak[i], seen.peak[i], 1e-3f * seen.peak[i]);
        for (std::uint64_t j = 0; j <= i; ++j) {
          EXPECT_NEAR(told.gram[i * told.k + j], seen.gram[i * told.k + j],
                      1e-3 * std::sqrt(seen.square[i] * seen.square[j]));
        }
      }
    }
  }
}

INSTANTIATE_TEST_SUITE_P(Models, Folds, testing::ValuesIn(test::golden_models()),
                         [](const auto& test) {
                           std::string name = test.param;
                           std::replace(name.begin(), name.end(), '-', '_');
                           return name;
                         });

std::vector<FoldKind> kinds_of_block(const std::string& model, std::size_t block) {
  ThreadPool pool(1);
  const Blocks blocks(golden_model(model), pool);
  return kinds_of(blocks.folds(blocks.all.at(block)));
}

TEST(FoldsOf, EachFamily) {
  for (const char* model : {"llama", "qwen3", "gemma3"}) {
    EXPECT_THAT(kinds_of_block(model, 1), ElementsAre(kNorm, kValue, kNorm, kUp)) << model;
  }
  EXPECT_THAT(kinds_of_block("mixtral", 1), ElementsAre(kNorm, kValue, kNorm, kUp, kUp, kUp, kUp));
  EXPECT_THAT(kinds_of_block("gpt2", 1), ElementsAre(kNorm, kValue, kNorm));  // GELU
  EXPECT_THAT(kinds_of_block("bert", 1), ElementsAre(kValue));  // norms after the sums
  EXPECT_THAT(kinds_of_block("t5", 0), ElementsAre(kNorm, kValue, kNorm, kUp));  // ReLU
  // Decoders attend twice.
  const std::size_t decoder = ModelFiles(golden_model("t5")).spec().encoder->layers.size();
  EXPECT_THAT(kinds_of_block("t5", decoder), ElementsAre(kNorm, kValue, kNorm, kValue, kNorm, kUp));
}

TEST(FoldsOf, QueryHeadsOfAGroupShareTheirChannels) {
  const Fold fold{.channels = 4, .head = 2, .group = 3};
  std::vector<std::uint64_t> channels;
  for (std::uint64_t column = 0; column < 12; ++column) channels.push_back(fold.channel_of(column));
  EXPECT_THAT(channels, ElementsAre(0, 1, 0, 1, 0, 1, 2, 3, 2, 3, 2, 3));
  const std::vector<float> columns{1, 8, 2, 8, 6, 8, 0, 1, 0, 1, 0, 7};
  EXPECT_THAT(channel_means(fold, columns), ElementsAre(3, 8, 0, 3));
  EXPECT_THAT(channel_peaks(fold, columns), ElementsAre(6, 8, 0, 7));
}

TEST(FoldsOf, ANormThatOthersReadIsLeftAlone) {
  ThreadPool pool(1);
  Blocks blocks(golden_model("llama"), pool);
  blocks.plan.decoder.steps.push_back(
      {.op = Op::norm, .norm = blocks.folds(blocks.all[0])[0].consumer->norm});
  EXPECT_THAT(kinds_of(blocks.folds(blocks.all[0])), ElementsAre(kValue, kNorm, kUp));
}

}  // namespace
}  // namespace halfbyte
