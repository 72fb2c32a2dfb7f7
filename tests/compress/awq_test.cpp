// AWQ's scales against tools/make_awq_goldens.py, and what they do to models with outliers.
//
// The golden's formula, in NumPy and double precision: x = mean |X| and w = mean over rows of
// |W| / (its block's largest + 1e-6), by channel; s = x^r / (w^(1-r) + 1e-4) or x^r for r = i/20,
// at least 1e-4, over sqrt(max * min); the loss of s is |X (Q(W s)/s - W)^T|^2 with ggml's q8_0 for
// Q; the least loss wins.
#include "compress/awq.h"

#include <cstring>
#include <fstream>
#include <span>

#include <fmt/format.h>
#include <gtest/gtest.h>

#include "blocks.h"
#include "compress/compress.h"
#include "compress/smooth.h"
#include "formats/safetensors.h"

namespace halfbyte {
namespace {

using test::Blocks;
using test::golden_model;
namespace fs = std::filesystem;

struct Golden {
  std::vector<float> w, x, scales, losses;
};

Golden read_golden(const std::string& name) {
  const SafetensorsFile file =
      SafetensorsFile::open(fmt::format("{}/awq/{}.safetensors", HALFBYTE_TEST_DATA, name));
  const auto values = [&](std::string_view tensor) {
    for (const TensorView& view : file.tensors()) {
      if (view.name != tensor) continue;
      std::vector<float> result(view.data.size() / sizeof(float));
      std::memcpy(result.data(), view.data.data(), view.data.size());
      return result;
    }
    return std::vector<float>();
  };
  return {values("w"), values("x"), values("scales"), values("losses")};
}

InputStats stats_of(const std::vector<float>& x, std::uint64_t k) {
  InputStats stats;
  stats.k = k;
  stats.rows = x.size() / k;
  stats.square.resize(k);
  stats.magnitude.resize(k);
  stats.peak.resize(k);
  stats.gram.resize(k * k);
  for (std::size_t row = 0; row < x.size(); row += k) {
    for (std::uint64_t i = 0; i < k; ++i) {
      stats.square[i] += double{x[row + i]} * double{x[row + i]};
      stats.magnitude[i] += std::fabs(double{x[row + i]});
      stats.peak[i] = std::max(stats.peak[i], std::fabs(x[row + i]));
      for (std::uint64_t j = 0; j < k; ++j) stats.gram[i * k + j] += x[row + i] * x[row + j];
    }
  }
  return stats;
}

void expect_near(const std::vector<float>& actual, std::span<const float> expected) {
  ASSERT_EQ(actual.size(), expected.size());
  for (std::size_t j = 0; j < actual.size(); ++j) {
    EXPECT_NEAR(actual[j], expected[j], 1e-4f * expected[j]) << j;
  }
}

// Every candidate's scales and losses, and the winner.
void expect_golden(const std::string& name, const Fold& fold) {
  const Golden golden = read_golden(name);
  const std::uint64_t k = fold.channels * fold.group;
  const InputStats stats = stats_of(golden.x, k);
  const AwqMatrix matrix{golden.w.data(), golden.w.size() / k, DType::q8_0};
  const AwqProblem problem{fold, {&matrix, 1}, stats};
  const ChannelSizes sizes = channel_sizes(fold, problem.matrices, stats);
  const std::vector<AwqFormula> formulas = awq_formulas();
  ASSERT_EQ(golden.losses.size(), formulas.size());
  std::vector<std::vector<float>> scales;
  for (std::size_t i = 0; i < formulas.size(); ++i) {
    const float* const expected = &golden.scales[i * fold.channels];
    // Losses are of the golden's own bits: where they put a weight halfway between two levels, the
    // last one decides.
    scales.emplace_back(expected, expected + fold.channels);
    expect_near(awq_scales(formulas[i], sizes), scales.back());
  }
  const auto best = std::min_element(golden.losses.begin(), golden.losses.end());
  const auto winner = static_cast<std::size_t>(best - golden.losses.begin());
  for (const std::size_t threads : {1u, 2u, 3u, 7u}) {
    ThreadPool pool(threads);
    DenseWorkers workers(pool, select_dense(detect_cpu_features()).multiply);
    const std::vector<double> losses = awq_losses(problem, scales, matrix.n, workers);
    for (std::size_t i = 0; i < losses.size(); ++i) {
      EXPECT_NEAR(losses[i], golden.losses[i], 1e-3 * golden.losses[i]) << i;
    }
    expect_near(awq_search(problem, workers), scales[winner]);
  }
}

TEST(AwqSearch, FindsTheGoldenScales) {
  expect_golden("plain", {.channels = 64});
  expect_golden("grouped", {.kind = FoldKind::value, .channels = 32, .head = 16, .group = 2});
}

TEST(AwqScales, AreFiniteForAnyInputs) {
  const ChannelSizes sizes{{0.0f, 1e-30f, 1e30f, 1.0f, INFINITY}, {0.5f, 0.0f, 0.0f, 1.0f, 0.5f}};
  for (const AwqFormula& formula : awq_formulas()) {
    const std::vector<float> scales = awq_scales(formula, sizes);
    EXPECT_EQ(scales[0], 1.0f);
    for (const float scale : scales) EXPECT_TRUE(std::isfinite(scale) && scale > 0.0f) << scale;
  }
  const ChannelSizes nothing{{0.0f, 0.0f}, {0.0f, 0.0f}};
  EXPECT_EQ(awq_scales({.ratio = 0.5f}, nothing), (std::vector<float>{1.0f, 1.0f}));
}

TEST(SmoothScales, AreThePapers) {
  const std::vector<float> input{16.0f, 0.0f, 4.0f, 4.0f};
  const std::vector<float> weight{1.0f, 1.0f, 0.0f, 0.25f};
  EXPECT_EQ(smooth_scales(input, weight), (std::vector<float>{4.0f, 1.0f, 1.0f, 4.0f}));
  EXPECT_EQ(smooth_scales(input, weight, 1.0f), (std::vector<float>{16.0f, 1.0f, 1.0f, 4.0f}));
}

// A copy of a golden model whose norms give a few channels much larger values than the others.
std::string with_outliers(const std::string& name, const std::string& path) {
  fs::copy(golden_model(name), path, fs::copy_options::recursive);
  const ModelFiles source(path);
  const std::string file = path + "/model.safetensors";
  const std::string bytes = test::read_file(file);
  std::fstream out(file, std::ios::in | std::ios::out | std::ios::binary);
  for (const ModelTensor& tensor : source.tensors()) {
    if (!tensor.name.ends_with("attn_norm.weight") && !tensor.name.ends_with("ffn_norm.weight")) {
      continue;
    }
    const std::string_view data(reinterpret_cast<const char*>(tensor.data.data()),
                                tensor.data.size());
    const std::size_t place = std::string_view(bytes).find(data);
    std::vector<float> values = test::values_of(tensor);
    for (std::size_t j = 5; j < values.size(); j += 17) values[j] = 30.0f;
    out.seekp(static_cast<std::streamoff>(place));
    out.write(reinterpret_cast<const char*>(values.data()),
              static_cast<std::streamsize>(tensor.data.size()));
  }
  return path;
}

class Transforms : public testing::Test {
 protected:
  void compress_to(const std::string& out, const std::string& model, const std::string& method,
                   std::size_t threads = 2, const std::string& type = "q4_0",
                   const std::string& head = "") {
    ThreadPool pool(threads);
    const ModelFiles source(model);
    CompressOptions options{.method = method, .type = type, .head_type = head, .to = "gguf"};
    options.calibration.emplace();
    for (std::uint32_t i = 0; i < 12; ++i) {
      options.calibration->samples.push_back(test::some_tokens(source.spec(), 24, text_ + i));
    }
    compress(source, nullptr, folder_ / out, options, pool);
  }
  // Without a text, hence without weights for errors.
  void round_to_nearest(const std::string& out, const std::string& model) {
    ThreadPool pool(2);
    compress(ModelFiles(model), nullptr, folder_ / out, {.type = "q4_0", .to = "gguf"}, pool);
  }
  double error_of(const std::string& out, const std::string& model) {
    ThreadPool pool(2);
    return test::relative_error(test::output_of(ModelFiles(model), pool),
                                test::output_of(ModelFiles(folder_ / out), pool));
  }
  // Of mixtures of experts the median over tokens: where two experts are as good as equal to the
  // router, any change may give a token to the other one.
  double typical_error_of(const std::string& out, const std::string& model) {
    const ModelFiles source(model);
    if (!source.spec().main_stack().experts) return error_of(out, model);
    ThreadPool pool(2);
    const std::vector<float> expected = test::output_of(source, pool);
    const std::vector<float> actual = test::output_of(ModelFiles(folder_ / out), pool);
    std::vector<double> errors;
    const auto vocab = static_cast<std::ptrdiff_t>(source.spec().vocab);
    for (auto a = expected.begin(), b = actual.begin(); a != expected.end();
         a += vocab, b += vocab) {
      errors.push_back(test::relative_error({a, a + vocab}, {b, b + vocab}));
    }
    std::sort(errors.begin(), errors.end());
    return errors[errors.size() / 2];
  }
  test::TemporaryFolder folder_;
  std::uint32_t text_ = 0;  // that is calibrated on
};

TEST_F(Transforms, AwqHelpsWhereThereAreOutliers) {
  for (const char* name : {"llama", "qwen3"}) {
    const std::string model = with_outliers(name, folder_ / name);
    round_to_nearest("rtn", model);
    compress_to("awq", model, "awq");
    EXPECT_LT(error_of("awq", model), 0.9 * error_of("rtn", model)) << name;
  }
}

// At 8 bits every family still computes what it did: folds and their scales are put back together.
TEST_F(Transforms, ServeAllFamilies) {
  for (const std::string& name : test::golden_models()) {
    for (const char* method : {"awq", "smooth", "smooth,awq"}) {
      compress_to(name, golden_model(name), method, 2, "q8_0");
      EXPECT_LT(typical_error_of(name, golden_model(name)), 0.05) << name << ' ' << method;
    }
  }
}

TEST_F(Transforms, BytesDoNotDependOnThreads) {
  for (const char* name : {"llama", "gemma3"}) {
    for (const char* method : {"awq", "smooth,awq"}) {
      compress_to("one", golden_model(name), method, 1);
      for (const std::size_t threads : {2u, 3u, 7u}) {
        compress_to("many", golden_model(name), method, threads);
        EXPECT_EQ(test::all_bytes(folder_ / "many"), test::all_bytes(folder_ / "one")) << threads;
      }
    }
  }
}

TEST_F(Transforms, LeaveFoldsToFloatsAlone) {
  ThreadPool pool(2);
  Blocks blocks(golden_model("llama"), pool);
  for (auto& [name, type] : blocks.types) type = DType::f16;
  const Block& block = blocks.all[0];
  for (const TransformBlock transform : {awq_transform, smooth_transform}) {
    StatsTap inputs = blocks.tap(block, &blocks.gram);
    blocks.transform(block, inputs, [&](BlockTask& task) {
      transform(task);
      EXPECT_TRUE(task.weights.all().empty());
    });
  }
}

// A head is one more matrix with inputs: with the same levels to choose from, gptq's codes fit it
// better. One that is the embedding, too, must not lose there what it gains. On models as small as
// these one text may give 0.92 to 1.22, so it is the mean of several that counts.
TEST_F(Transforms, SolversComeToTheHead) {
  const auto gain = [&](const char* name) {
    const auto error_with = [&](const char* method) {
      compress_to(method, golden_model(name), method, 2, "f16", "q4_0");
      return error_of(method, golden_model(name));
    };
    constexpr std::uint32_t kTexts = 9;
    double sum = 0.0;
    for (std::uint32_t i = 0; i < kTexts; ++i) {
      text_ = 12 * i;
      sum += error_with("rtn") / error_with("gptq");
    }
    return sum / kTexts;
  };
  EXPECT_GT(gain("llama"), 1.04);
  EXPECT_GT(gain("llama-tied"), 1.01);
}

}  // namespace
}  // namespace halfbyte
