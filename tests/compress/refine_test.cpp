// Refining blocks: a block and its adjoint against the runtime and against finite differences; what
// is learned is what is stored; bytes depend neither on threads nor on where a run went on.
#include <cmath>
#include <cstring>
#include <filesystem>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/error.h"
#include "base/half.h"
#include "compress/calibrate/block_task.h"
#include "compress/compress.h"
#include "compress/refine/block_graph.h"
#include "compress/refine/soft_matrix.h"
#include "kernels/registry.h"
#include "support.h"

namespace halfbyte {
namespace {

using test::golden_model;
using testing::HasSubstr;

std::uint32_t next(std::uint32_t& state) {
  state = state * 1664525u + 1013904223u;
  return state >> 8;
}

// Of mean 0, about 1 large.
std::vector<float> noise(std::size_t n, std::uint32_t seed) {
  std::vector<float> values(n);
  for (float& value : values) {
    float sum = 0.0f;
    for (int i = 0; i < 4; ++i) sum += static_cast<float>(next(seed)) * 0x1p-24f - 0.5f;
    value = sum * 1.7f;
  }
  return values;
}

// The first block of a golden model, with samples of uneven lengths.
class GraphCase {
 public:
  GraphCase(const std::string& model, ThreadPool& pool)
      : files_(golden_model(model)),
        plan_(make_plan(files_.spec())),
        block_(blocks_of(plan_).front()),
        workers_(pool, select_dense(detect_cpu_features()).multiply),
        graph_(plan_, stack(), block_, 40, select_rows(detect_cpu_features()).ops, workers_),
        values_(files_, plan_, pool),
        weights_(plan_.weights.size()) {
    for (const int weight : weights_of(plan_, block_)) {
      if (!values_.has(weight)) continue;
      values(weight) = values_.values(weight);
      weights_[index(weight)].value = values(weight).data();
      if (plan_.weights[index(weight)].kind != WeightKind::matrix) continue;
      gradients_[weight].resize(values(weight).size());
      weights_[index(weight)].gradient = gradients_[weight].data();
    }
    rows_ = noise(51 * plan_.spec.width, 7);
    slope_ = noise(rows_.size(), 8);
  }

  const StackPlan& stack() const { return block_.encoder ? plan_.encoder : plan_.decoder; }
  std::vector<float>& values(int weight) { return own_[weight]; }
  const std::map<int, std::vector<float>>& gradients() const { return gradients_; }
  const std::string& name(int weight) const { return plan_.weights[index(weight)].name; }

  // Sum over the outputs, weighed by noise.
  double loss(bool train = false) {
    const std::vector<float>& out = graph_.forward(weights_, kSamples, rows_, train);
    double sum = 0.0;
    for (std::size_t i = 0; i < out.size(); ++i) sum += double{out[i]} * double{slope_[i]};
    return sum;
  }
  void backward() { graph_.backward(weights_, slope_); }

 private:
  static constexpr SampleRows kSamples[] = {{0, 40}, {40, 11}};
  static std::size_t index(int weight) { return static_cast<std::size_t>(weight); }

  ModelFiles files_;
  Plan plan_;
  Block block_;
  DenseWorkers workers_;
  BlockGraph graph_;
  BlockWeights values_;
  std::map<int, std::vector<float>> own_;
  std::map<int, std::vector<float>> gradients_;
  std::vector<GraphWeight> weights_;
  std::vector<float> rows_;
  std::vector<float> slope_;
};

// Along the sign of the gradient, where the loss changes most for steps of one size.
TEST(BlockGraph, GradientsAreThoseOfFiniteDifferences) {
  constexpr float kStep = 2e-4f;
  ThreadPool pool(2);
  for (const char* model : {"llama", "llama3-rope", "gemma3", "qwen3", "gpt2", "bert"}) {
    GraphCase graph(model, pool);
    graph.loss(true);
    graph.backward();
    for (const auto& entry : graph.gradients()) {
      const int weight = entry.first;
      const std::vector<float>& gradient = entry.second;
      SCOPED_TRACE(std::string(model) + " " + graph.name(weight));
      std::vector<float>& values = graph.values(weight);
      const std::vector<float> before = values;
      const auto loss_at = [&](float step) {
        for (std::size_t i = 0; i < values.size(); ++i) {
          values[i] = before[i] + (gradient[i] > 0.0f ? step : -step);
        }
        return graph.loss();
      };
      const double difference = loss_at(kStep) - loss_at(-kStep);
      values = before;
      double expected = 0.0;
      for (const float slope : gradient) expected += std::fabs(double{slope});
      EXPECT_GT(expected, 0.0);
      EXPECT_NEAR(difference / (2.0 * double{kStep}), expected, 0.02 * expected);
    }
  }
}

TEST(BlockGraph, CrossAttentionIsRefused) {
  ThreadPool pool(1);
  try {
    GraphCase graph("t5", pool);
    FAIL() << "nothing failed";
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ErrorCode::kUnsupported);
    EXPECT_THAT(error.what(), HasSubstr("refine cannot train"));
  }
}

constexpr std::size_t kRows = 6;
constexpr std::size_t kInputs = 512;

// Those without scales of whole rows, which are not learned.
std::vector<const Grid*> all_grids() {
  std::vector<const Grid*> grids;
  for (const DTypeInfo& type : all_dtypes()) {
    const Grid* const grid = find_grid(type.dtype);
    if (grid != nullptr && grid->row_scale == nullptr) grids.push_back(grid);
  }
  return grids;
}

std::vector<std::byte> encoded(const Grid& grid, const std::vector<float>& weights) {
  std::vector<std::byte> rows(kRows * row_bytes(grid.dtype, kInputs).value());
  info(grid.dtype).encode(weights.data(), rows.data(), weights.size());
  return rows;
}

std::vector<float> decoded(const Grid& grid, const std::vector<std::byte>& rows) {
  std::vector<float> values(kRows * kInputs);
  info(grid.dtype).decode(rows.data(), values.data(), values.size());
  return values;
}

std::vector<float> values_of(const SoftMatrix& soft) {
  return {soft.values(), soft.values() + kRows * kInputs};
}

// The codes are those of other weights, as a solver leaves them.
TEST(SoftMatrix, BeginsAtTheEncodedValues) {
  ThreadPool pool(2);
  const std::vector<float> weights = noise(kRows * kInputs, 1);
  std::vector<float> moved = weights;
  const std::vector<float> errors = noise(kRows * kInputs, 2);
  for (std::size_t i = 0; i < moved.size(); ++i) moved[i] += 0.1f * errors[i];
  for (const Grid* grid : all_grids()) {
    SCOPED_TRACE(name(grid->dtype));
    const std::vector<std::byte> rows = encoded(*grid, moved);
    const SoftMatrix soft(*grid, kRows, kInputs, weights.data(), rows.data(), pool);
    EXPECT_EQ(values_of(soft), decoded(*grid, rows));
  }
}

TEST(SoftMatrix, WhatIsLearnedIsWhatIsStored) {
  ThreadPool pool(2);
  const std::vector<float> weights = noise(kRows * kInputs, 1);
  for (const Grid* grid : all_grids()) {
    SCOPED_TRACE(name(grid->dtype));
    std::vector<std::byte> rows = encoded(*grid, weights);
    SoftMatrix soft(*grid, kRows, kInputs, weights.data(), rows.data(), pool);
    const std::vector<float> before = values_of(soft);
    const std::vector<float> slope = noise(kRows * kInputs, 3);
    for (int i = 0; i < 3; ++i) {
      std::copy(slope.begin(), slope.end(), soft.gradient());
      soft.step({0.1f, 0.01f});
    }
    std::vector<std::byte> learned(rows.size());
    soft.encode(learned);
    EXPECT_EQ(values_of(soft), decoded(*grid, learned));
    double change = 0.0;
    for (std::size_t i = 0; i < slope.size(); ++i) {
      change += double{slope[i]} * (double{soft.values()[i]} - double{before[i]});
    }
    EXPECT_LT(change, 0.0);
  }
}

class Refine : public testing::Test {
 protected:
  static CalibrationOptions calibration(const ModelFiles& source) {
    CalibrationOptions options;
    std::uint32_t state = 1;
    for (std::size_t i = 0; i < 4; ++i) {
      Sample& sample = options.samples.emplace_back(20 + 5 * i);
      for (TokenId& token : sample) {
        token = static_cast<TokenId>(next(state) % source.spec().vocab);
      }
    }
    return options;
  }
  std::string run(const std::string& model, const std::string& out, CompressOptions options,
                  std::size_t threads = 2, const ProgressSink& progress = {}) {
    const ModelFiles source(golden_model(model));
    if (!options.calibration) options.calibration = calibration(source);
    ThreadPool pool(threads);
    compress(source, nullptr, folder_ / out, options, pool, progress);
    return test::all_bytes(folder_ / out);
  }
  test::TemporaryFolder folder_;
};

TEST_F(Refine, BytesDoNotDependOnThreads) {
  for (const char* method : {"refine", "gptq,refine"}) {
    const CompressOptions options{.method = method, .type = "q4_0", .to = "gguf"};
    const std::string one = run("llama", "one", options, 1);
    EXPECT_EQ(run("llama", "three", options, 3), one) << method;
    const CompressOptions plain{
        .method = std::string(method) == "refine" ? "rtn" : "gptq", .type = "q4_0", .to = "gguf"};
    EXPECT_NE(run("llama", "plain", plain), one) << method;
  }
}

struct Killed {};

TEST_F(Refine, AResumedRunEndsInTheSameBytes) {
  const CompressOptions options{.method = "rtn,refine", .type = "q4_0", .to = "gguf"};
  const std::string whole = run("llama", "whole", options);
  EXPECT_THROW(run("llama", "killed", options, 2,
                   [](std::string_view, std::uint64_t done, std::uint64_t) {
                     if (done == 10) throw Killed();  // in the second block
                   }),
               Killed);
  CompressOptions again = options;
  again.calibration = calibration(ModelFiles(golden_model("llama")));
  again.calibration->resume = true;
  EXPECT_EQ(run("llama", "killed", again, 1), whole);
}

TEST_F(Refine, BestRefinesWhereItCan) {
  for (const auto& [model, method] :
       {std::pair("llama", "awq,gptq,refine"), std::pair("t5", "awq,gptq")}) {
    EXPECT_EQ(run(model, "best", {.method = "best", .type = "q4_0", .to = "gguf"}),
              run(model, "named", {.method = method, .type = "q4_0", .to = "gguf"}))
        << model;
  }
}

TEST_F(Refine, WhatItCannotServeIsRefusedBeforeAnyWork) {
  for (const auto& [model, type] :
       {std::pair("t5", "q4_0"), std::pair("llama", "w4a8"), std::pair("mixtral", "q4_0")}) {
    const CompressOptions options{.method = "gptq,refine", .type = type, .to = "bundle"};
    EXPECT_THAT(test::message(ErrorCode::kUnsupported, [&] { run(model, "refused", options); }),
                HasSubstr("leave it out"))
        << model;
    EXPECT_FALSE(std::filesystem::exists(folder_ / ".refused.work"));
  }
  EXPECT_NO_THROW(run("llama", "best", {.method = "best", .type = "w4a8", .to = "bundle"}));
}

TEST(Recipes, RefineComesAfterTheSolver) {
  EXPECT_EQ(parse_recipe("refine").names(), "rtn,refine");
  EXPECT_EQ(parse_recipe("awq,gptq,refine").names(), "awq,gptq,refine");
  EXPECT_EQ(parse_recipe("awq,refine").names(), "awq,rtn,refine");
  EXPECT_TRUE(parse_recipe("rtn,refine").needs_text());
  EXPECT_THROW(parse_recipe("refine,gptq"), Error);
  EXPECT_THROW(parse_recipe("gptq,refine,awq"), Error);
}

}  // namespace
}  // namespace halfbyte
