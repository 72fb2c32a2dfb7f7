// Calibrated runs: block by block gives what a whole pass gives; bytes depend neither on threads
// nor on where a killed run went on; what cannot be is said.
#include <cmath>
#include <cstring>
#include <filesystem>
#include <fstream>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/error.h"
#include "base/half.h"
#include "compress/calibrate/block_runner.h"
#include "compress/calibrate/input_stats.h"
#include "compress/compress.h"
#include "kernels/registry.h"
#include "runtime/session.h"
#include "runtime/workspace.h"
#include "support.h"

namespace halfbyte {
namespace {

namespace fs = std::filesystem;
using test::golden_model;
using test::message;
using testing::HasSubstr;

// Samples of uneven lengths, the same every time.
std::vector<Sample> samples_for(const ModelSpec& spec, std::size_t count = 5) {
  std::vector<Sample> samples;
  std::uint32_t state = 1;
  for (std::size_t i = 0; i < count; ++i) {
    Sample& sample = samples.emplace_back(9 + 3 * i);
    for (TokenId& token : sample) {
      state = state * 1664525u + 1013904223u;
      token = static_cast<TokenId>((state >> 8) % spec.vocab);
    }
  }
  return samples;
}

CalibrationOptions calibration_for(const ModelFiles& source) {
  CalibrationOptions options;
  options.samples = samples_for(source.spec());
  return options;
}

class Calibrate : public testing::Test {
 protected:
  std::string run(const std::string& model, const std::string& out, CompressOptions options,
                  std::size_t threads = 2, const ProgressSink& progress = {}) {
    const ModelFiles source(golden_model(model));
    if (!options.calibration) options.calibration = calibration_for(source);
    ThreadPool pool(threads);
    compress(source, nullptr, folder_ / out, options, pool, progress);
    return test::all_bytes(folder_ / out);
  }
  test::TemporaryFolder folder_;
};

// The residual stream after the last block, of each sample: [tokens, width].
std::vector<std::vector<float>> stream_after_blocks(const std::string& folder, std::size_t blocks,
                                                    std::span<const Sample> samples,
                                                    std::uint64_t width) {
  const std::string bytes = test::read_file(folder + "/stream." + std::to_string(blocks % 2));
  std::vector<std::vector<float>> rows;
  std::size_t at = 0;
  for (const Sample& sample : samples) {
    std::vector<float>& values = rows.emplace_back(sample.size() * width);
    for (float& value : values) {
      std::uint16_t word = 0;
      std::memcpy(&word, &bytes.at(at), sizeof(word));
      at += sizeof(word);
      value = bfloat16_to_float(word);
    }
  }
  EXPECT_EQ(at, bytes.size());
  return rows;
}

double rms(const float* x, std::size_t n) {
  double sum = 0.0;
  for (std::size_t i = 0; i < n; ++i) sum += double{x[i]} * double{x[i]};
  return std::sqrt(sum / static_cast<double>(n));
}

// What a whole pass without a cache leaves in the residual buffer.
std::vector<float> residual_of_pass(const Model& model, const StackPlan& stack,
                                    const Sample& sample) {
  Workspace workspace(model.plan(), sample.size(), sample.size(), model.pool().size());
  RopeTable ropes(stack.spec);
  ropes.extend(sample.size(), sample.size());
  Segment segment;
  segment.rows = sample.size();
  segment.ropes = &ropes;
  Pass pass{.model = model.view(), .workspace = workspace, .stack = stack};
  pass.rows = sample.size();
  pass.tokens = sample.data();
  pass.segments = {&segment, 1};
  run_pass(pass, {});
  const float* const x = workspace.buffer(Buffer::residual);
  return {x, x + sample.size() * model.spec().width};
}

TEST_F(Calibrate, BlocksOneByOneAreTheWholeModel) {
  for (const char* name : {"llama", "gemma3", "gpt2", "qwen3", "bert"}) {
    SCOPED_TRACE(name);
    ThreadPool pool(2);
    const std::unique_ptr<Model> model = Model::open(golden_model(name), pool);
    const ModelFiles& files = model->files();
    const std::vector<Sample> samples = samples_for(files.spec());
    const std::string folder = folder_ / name;
    fs::create_directories(folder);
    std::size_t ticks = 0;
    BlockRunner runner(files, samples, folder, pool, detect_cpu_features(), [&] { ++ticks; });
    const std::vector<Block> blocks = blocks_of(runner.plan());
    for (const Block& block : blocks) {
      runner.begin(block);
      runner.run(block, {.compute = Compute::f32, .tap = nullptr, .keep = true});
      runner.finish(block);
    }
    EXPECT_EQ(ticks, blocks.size() * samples.size());
    const std::uint64_t width = files.spec().width;
    const auto streams = stream_after_blocks(folder, blocks.size(), samples, width);
    const StackPlan& stack = runner.stack_of(blocks.front());
    for (std::size_t i = 0; i < samples.size(); ++i) {
      const std::vector<float> expected = residual_of_pass(*model, stack, samples[i]);
      std::vector<float> difference(expected.size());
      for (std::size_t j = 0; j < expected.size(); ++j) difference[j] = streams[i][j] - expected[j];
      // bfloat16 between blocks: 2^-9 of each value, a few times over.
      EXPECT_LT(rms(difference.data(), difference.size()),
                0.02 * rms(expected.data(), expected.size()));
    }
  }
}

TEST_F(Calibrate, StatisticsAreThoseOfTheRows) {
  constexpr std::size_t kRows = 70;
  const ModelFiles files(golden_model("llama"));
  const Plan plan = make_plan(files.spec());
  ThreadPool pool(3);
  DenseWorkers workers(pool, select_dense(detect_cpu_features()).multiply);
  GramSum gram(plan.widest_input(), workers, detect_cpu_features());
  StatsTap tap(plan, plan.decoder.steps, 0, 1, &gram);
  const Step& step = plan.decoder.steps[0];
  const std::size_t k = files.spec().width;
  std::vector<float> x(kRows * k);
  for (std::size_t i = 0; i < x.size(); ++i) x[i] = std::sin(static_cast<float>(i)) * 3.0f;
  pool.run([&](std::size_t thread, Team& team) {
    tap.see(step, x.data(), k, kRows, k, thread, team);
    team.barrier();
    tap.see(step, x.data(), k, 1, k, thread, team);
  });
  const InputStats& stats = tap.of(step);
  EXPECT_EQ(stats.rows, kRows + 1);
  for (std::size_t i = 0; i < k; ++i) {
    double square = 0.0;
    double product = 0.0;
    double magnitude = 0.0;
    float peak = 0.0f;
    for (std::size_t row = 0; row <= kRows; ++row) {
      const float* const values = &x[row % kRows * k];
      square += double{values[i]} * double{values[i]};
      product += double{values[i]} * double{values[0]};
      magnitude += std::fabs(double{values[i]});
      peak = std::max(peak, std::fabs(values[i]));
    }
    EXPECT_NEAR(stats.square[i], square, 1e-5 * square);
    EXPECT_NEAR(stats.gram[i * k + i], square, 1e-2 * square);
    EXPECT_NEAR(stats.gram[i * k], product, 1e-2 * 9.0 * kRows);
    EXPECT_NEAR(stats.magnitude[i], magnitude, 1e-5 * magnitude);
    EXPECT_EQ(stats.peak[i], peak);
  }
}

// q8_0 has no choice to make, so the way through the blocks must not show.
TEST_F(Calibrate, RoundingToNearestIsTheSameBlockByBlock) {
  for (const std::string& name : test::golden_models()) {
    SCOPED_TRACE(name);
    const ModelFiles source(golden_model(name));
    ThreadPool pool(2);
    const CompressOptions plain{.type = "q8_0"};
    compress(source, nullptr, folder_ / "plain", plain, pool);
    CompressOptions options{.type = "q8_0"};
    for (const bool original : {false, true}) {
      for (const bool sequential : {false, true}) {
        if (original && sequential) continue;  // refused
        options.calibration = calibration_for(source);
        options.calibration->original_inputs = original;
        options.calibration->sequential = sequential;
        compress(source, nullptr, folder_ / "calibrated", options, pool);
        std::size_t compared = 0;
        for (const auto& file : fs::directory_iterator(folder_ / "plain")) {
          const std::string leaf = file.path().filename();
          if (leaf == "bundle.json") continue;  // holds the errors
          EXPECT_EQ(test::read_file(file.path()),
                    test::read_file(folder_ / ("calibrated/" + leaf)));
          ++compared;
        }
        EXPECT_GT(compared, source.spec().main_stack().layers.size());
      }
    }
  }
}

class Killed : public std::exception {};

TEST_F(Calibrate, AResumedRunEndsInTheSameBytes) {
  const CompressOptions options{.type = "q4_0", .to = "gguf"};
  const std::string whole = run("llama", "whole", options, 2);
  const ModelFiles source(golden_model("llama"));
  const std::size_t ticks = 2 * 5 * source.spec().decoder->layers.size();
  for (std::size_t at = 1; at <= ticks; at += 3) {
    SCOPED_TRACE(at);
    CompressOptions again = options;
    again.calibration = calibration_for(source);
    EXPECT_THROW(run("llama", "killed", again, 2,
                     [at](std::string_view, std::uint64_t done, std::uint64_t) {
                       if (done == at) throw Killed();
                     }),
                 Killed);
    EXPECT_FALSE(fs::exists(folder_ / "killed"));
    again.calibration->resume = true;
    std::uint64_t first = 0;
    EXPECT_EQ(run("llama", "killed", again, 1,
                  [&](std::string_view, std::uint64_t done, std::uint64_t) {
                    if (first == 0) first = done;
                  }),
              whole);
    EXPECT_EQ(first, (at - 1) / 10 * 10 + 1);  // finished blocks are not run again
    EXPECT_FALSE(fs::exists(folder_ / ".killed.work"));
    fs::remove(folder_ / "killed");
  }
}

TEST_F(Calibrate, ResumingAnotherRunIsRefused) {
  const ModelFiles source(golden_model("llama"));
  CompressOptions options{.type = "q4_0", .to = "gguf"};
  EXPECT_THROW(run("llama", "out", options, 2,
                   [](std::string_view, std::uint64_t, std::uint64_t) { throw Killed(); }),
               Killed);
  options.calibration = calibration_for(source);
  options.calibration->resume = true;
  options.type = "q5_0";
  EXPECT_THAT(message(ErrorCode::kUsage, [&] { run("llama", "out", options); }),
              HasSubstr("without --resume"));
}

TEST_F(Calibrate, BytesDoNotDependOnThreads) {
  for (const char* type : {"q4_0", "q5_1"}) {
    const CompressOptions options{.type = type, .to = "gguf"};
    const std::string one = run("gemma3", "one", options, 1);
    for (const std::size_t threads : {2u, 3u, 7u}) {
      EXPECT_EQ(run("gemma3", "many", options, threads), one) << type << ' ' << threads;
    }
  }
}

TEST_F(Calibrate, AWeightThatIsNotANumberIsNamed) {
  const std::string path = folder_ / "model";
  test::copy_with_weight("llama", path, "blk.1.ffn_down.weight", 1, 3, std::nanf(""));
  const ModelFiles source(path);
  ThreadPool pool(2);
  CompressOptions options{.type = "q4_0", .to = "gguf"};
  options.calibration = calibration_for(source);
  const std::string text = message(ErrorCode::kMalformed, [&] {
    compress(ModelFiles(path), nullptr, folder_ / "out", options, pool);
  });
  EXPECT_THAT(text, HasSubstr("blk.1.ffn_down.weight"));
  EXPECT_THAT(text, HasSubstr("[1, 3]"));
  EXPECT_FALSE(fs::exists(folder_ / "out"));
}

TEST_F(Calibrate, OriginalInputsAndSequentialExcludeEachOther) {
  const ModelFiles source(golden_model("llama"));
  CompressOptions options{.to = "gguf"};
  options.calibration = calibration_for(source);
  options.calibration->original_inputs = options.calibration->sequential = true;
  EXPECT_THAT(message(ErrorCode::kUsage, [&] { run("llama", "out", options); }),
              HasSubstr("--calib-original and --sequential"));
  EXPECT_EQ(folder_.names().size(), 0u);
}

TEST(Samples, IdsAreReadLineByLine) {
  const std::vector<Sample> samples =
      samples_of_ids("[1, 2, 3]\n\n4 5\r\n6,7,8,9,10\n", 11, {.tokens = 100, .length = 4}, "f");
  EXPECT_EQ(samples, (std::vector<Sample>{{1, 2, 3}, {4, 5}, {6, 7, 8, 9}}));
  EXPECT_THROW(samples_of_ids("1 2\n3 x", 11, {}, "f"), Error);
  EXPECT_THROW(samples_of_ids("1 11", 11, {}, "f"), Error);
  EXPECT_THROW(samples_of_ids("-1", 11, {}, "f"), Error);
  EXPECT_THROW(samples_of_ids("\n", 11, {}, "f"), Error);
}

}  // namespace
}  // namespace halfbyte
