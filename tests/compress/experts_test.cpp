// Mixtures of experts through compression: stacked in GGUF files, calibrated each on its own rows,
// rounded where there are none; what cannot be done with them is said.
#include <algorithm>
#include <cstring>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/atomic_output.h"
#include "blocks.h"
#include "compress/compress.h"
#include "compress/convert.h"
#include "compress/expert_notes.h"
#include "formats/gguf.h"

namespace halfbyte {
namespace {

using test::golden_model;
using test::message;
using testing::AllOf;
using testing::HasSubstr;

constexpr const char* kModels[] = {"mixtral", "qwen3moe"};

class Experts : public testing::Test {
 protected:
  // Without a text.
  CompressReport plain(const std::string& model, const std::string& out,
                       const CompressOptions& options, std::size_t threads = 2) {
    ThreadPool pool(threads);
    return compress(ModelFiles(golden_model(model)), nullptr, folder_ / out, options, pool);
  }
  CompressReport run_on(std::vector<Sample> samples, const std::string& model,
                        const std::string& out, CompressOptions options, std::size_t threads = 2) {
    options.calibration = CalibrationOptions{.samples = std::move(samples)};
    return plain(model, out, options, threads);
  }
  CompressReport run(const std::string& model, const std::string& out,
                     const CompressOptions& options, std::size_t threads = 2) {
    return run_on(test::random_samples(ModelFiles(golden_model(model)).spec()), model, out, options,
                  threads);
  }
  std::string converted(const std::string& model, const std::string& to) {
    std::string out = folder_ / (model + "." + to);
    convert(ModelFiles(golden_model(model)), nullptr, out, {to, "keep"}, pool_);
    return out;
  }

  test::TemporaryFolder folder_;
  ThreadPool pool_{2};
};

std::vector<std::byte> bytes_of(const std::string& path, const std::string& tensor) {
  const ModelFiles files(path);
  return test::rows_of(files.need(tensor));
}

double mean_error(const CompressReport& report) {
  double sum = 0.0;
  double count = 0.0;
  for (const LayerReport& layer : report.layers) {
    if (!layer.tokens || layer.starved) continue;
    sum += layer.error;
    count += 1.0;
  }
  EXPECT_GT(count, 0.0);
  return sum / count;
}

TEST_F(Experts, AreOneTensorOfAGgufFile) {
  const GgufFile file(converted("mixtral", "gguf"));
  const auto found = std::find_if(
      file.tensors().begin(), file.tensors().end(),
      [](const TensorView& tensor) { return tensor.name == "blk.1.ffn_up_exps.weight"; });
  ASSERT_NE(found, file.tensors().end());
  EXPECT_EQ(found->shape, (Shape{4, 32, 64}));
  EXPECT_EQ(file.tensors().size(), 3u + 2u * 10u);
}

TEST_F(Experts, ComputeTheSameFromEveryFormat) {
  for (const char* model : kModels) {
    const std::vector<float> expected = test::output_of(ModelFiles(golden_model(model)), pool_);
    for (const char* to : {"gguf", "bundle"}) {
      const ModelFiles files(converted(model, to));
      EXPECT_LT(test::relative_error(expected, test::output_of(files, pool_)), 1e-5) << to;
    }
  }
}

TEST_F(Experts, QuantizedGgufAndBundleAgree) {
  for (const char* type : {"q8_0", "q4_0"}) {
    plain("qwen3moe", "m.gguf", {.type = type, .to = "gguf"});
    plain("qwen3moe", "m", {.type = type, .to = "bundle"});
    const ModelFiles gguf(folder_ / "m.gguf");
    EXPECT_EQ(gguf.need("blk.2.ffn_down.7.weight").dtype, need_weight_type(type));
    EXPECT_EQ(gguf.need("blk.2.ffn_gate_inp.weight").dtype, DType::f32);
    EXPECT_TRUE(test::output_of(gguf, pool_) == test::output_of(ModelFiles(folder_ / "m"), pool_));
  }
}

TEST_F(Experts, MethodsServeThem) {
  for (const char* model : kModels) {
    const double rounded = mean_error(run(model, "rtn", {.method = "rtn", .type = "q4_0"}));
    for (const char* method : {"gptq", "awq,gptq"}) {
      const CompressReport report = run(model, "m", {.method = method, .type = "q4_0"});
      EXPECT_LT(mean_error(report), rounded) << model << ' ' << method;
      EXPECT_THAT(report.notes, testing::Contains(HasSubstr("tokens that an expert")));
    }
    run(model, "s", {.method = "smooth", .type = "w8a8"});
    run(model, "b", {.method = "best", .type = "q4_0"});
  }
}

TEST_F(Experts, BytesDoNotDependOnThreads) {
  run("mixtral", "one", {.method = "awq,gptq", .type = "q4_0"}, 1);
  for (const std::size_t threads : {2u, 3u, 7u}) {
    run("mixtral", "more", {.method = "awq,gptq", .type = "q4_0"}, threads);
    EXPECT_TRUE(test::all_bytes(folder_ / "more") == test::all_bytes(folder_ / "one")) << threads;
  }
}

TEST_F(Experts, SequentialGoesFromExpertToExpert) {
  CompressOptions options{.method = "gptq", .type = "q4_0"};
  options.calibration = CalibrationOptions{
      .samples = test::random_samples(ModelFiles(golden_model("mixtral")).spec()),
      .sequential = true};
  const CompressReport report =
      compress(ModelFiles(golden_model("mixtral")), nullptr, folder_ / "m", options, pool_);
  std::uint64_t tokens = 0;
  for (const LayerReport& layer : report.layers) {
    if (layer.name.starts_with("blk.0.ffn_down.")) tokens += layer.tokens.value_or(0);
  }
  std::uint64_t all = 0;
  for (const Sample& sample : options.calibration->samples) all += sample.size();
  EXPECT_EQ(tokens, 2 * all);  // each is taken by two
}

// One token goes to three of eight experts.
TEST_F(Experts, WithoutTokensAreRoundedAndCounted) {
  for (const char* method : {"gptq", "rtn", "awq,gptq"}) {
    const CompressReport report =
        run_on({{5}}, "qwen3moe", "few.gguf", {.method = method, .type = "q4_0", .to = "gguf"});
    plain("qwen3moe", "plain.gguf", {.method = "rtn", .type = "q4_0", .to = "gguf"});
    std::size_t starved = 0;
    for (const LayerReport& layer : report.layers) {
      if (!layer.tokens) continue;
      EXPECT_EQ(*layer.tokens, layer.starved ? 0u : 1u) << layer.name;
      if (!layer.starved) continue;
      ++starved;
      // awq scales the norm before all of them.
      if (std::string_view(method).starts_with("awq")) continue;
      EXPECT_TRUE(bytes_of(folder_ / "few.gguf", layer.name) ==
                  bytes_of(folder_ / "plain.gguf", layer.name))
          << layer.name;
    }
    EXPECT_EQ(starved, 2u * 5u * 3u);
    EXPECT_THAT(report.notes, testing::Contains(AllOf(HasSubstr("10 experts saw"),
                                                      HasSubstr("(5 in blk.0, 5 in blk.2)"))));
    EXPECT_THAT(report.notes, testing::Contains(HasSubstr("0 to 1, median 0")));
  }
}

TEST_F(Experts, WhatCannotBeDoneIsSaid) {
  const auto refused = [&](const CompressOptions& options) {
    return message(ErrorCode::kUnsupported, [&] { run("mixtral", "m", options); });
  };
  EXPECT_THAT(refused({.method = "gptq,refine", .type = "q4_0"}), HasSubstr("refine"));
  CompressOptions budget;
  budget.budget = Budget{9.0, std::nullopt};
  EXPECT_THAT(refused(budget), HasSubstr("mixtures of experts"));
}

TEST_F(Experts, StacksOfOtherSizesAreRefused) {
  const GgufFile source(converted("mixtral", "gguf"));
  std::vector<GgufWriter::Tensor> tensors;
  for (const TensorView& tensor : source.tensors()) {
    Shape shape = tensor.shape;
    if (tensor.name == "blk.0.ffn_up_exps.weight") shape = {8, 16, 64};
    tensors.push_back({tensor.name, tensor.dtype, shape});
  }
  AtomicFile out(folder_ / "lies.gguf");
  GgufWriter writer(out.file(), source.metadata(), tensors);
  for (const TensorView& tensor : source.tensors()) writer.write(tensor.data);
  writer.finish();
  out.commit();
  EXPECT_THAT(message(ErrorCode::kMalformed, [&] { ModelFiles(folder_ / "lies.gguf"); }),
              AllOf(HasSubstr("blk.0.ffn_up_exps.weight"), HasSubstr("4 experts")));
}

TEST(ExpertNotes, NameBlocksWithTooFewTokens) {
  EXPECT_TRUE(expert_notes({{"blk.0.ffn_down.weight", DType::q4_0, 0.1}}).empty());
  const std::vector<std::string> notes =
      expert_notes({{"blk.0.ffn_down.0.weight", DType::q4_0, 0.1, 40, false},
                    {"blk.0.ffn_up.0.weight", DType::q4_0, 0.1, 40, false},
                    {"blk.0.ffn_down.1.weight", DType::q4_0, 0.1, 0, true},
                    {"blk.7.ffn_down.0.weight", DType::q4_0, 0.1, 60, false}});
  ASSERT_EQ(notes.size(), 2u);
  EXPECT_THAT(notes[0], HasSubstr("0 to 60, median 40"));
  EXPECT_THAT(notes[1], AllOf(HasSubstr("1 expert saw less than 0.5 %"), HasSubstr("1 in blk.0")));
}

}  // namespace
}  // namespace halfbyte
