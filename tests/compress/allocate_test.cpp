// Types for a budget: the solver is as good as trying everything; no output exceeds its budget;
// bytes do not depend on the number of threads, nor on whether a run was resumed; what cannot be is
// said.
#include <cmath>
#include <filesystem>
#include <fstream>
#include <optional>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/error.h"
#include "base/json.h"
#include "compress/allocate/candidates.h"
#include "compress/allocate/ledger.h"
#include "compress/allocate/probe.h"
#include "compress/allocate/solver.h"
#include "compress/compress.h"
#include "support.h"

namespace halfbyte {
namespace {

using test::golden_model;
using testing::HasSubstr;

std::uint32_t next(std::uint32_t& state) {
  state = state * 1664525u + 1013904223u;
  return state >> 8;
}

// Groups whose larger options cost less, in sizes that have `unit` in common.
std::vector<Options> random_groups(std::uint32_t& state, std::uint64_t unit) {
  std::vector<Options> groups(1 + next(state) % 8);
  for (Options& options : groups) {
    std::uint64_t bytes = 1 + next(state) % 50;
    double cost = 100.0;
    for (std::size_t i = 0; i < 1 + next(state) % 4; ++i) {
      options.push_back({bytes * unit, cost});
      bytes += 1 + next(state) % 30;
      cost -= 1.0 + next(state) % 20;
    }
    if (options.empty()) options.push_back({unit, 1.0});
  }
  return groups;
}

double cost_of(const std::vector<Options>& groups, const std::vector<std::size_t>& chosen) {
  double cost = 0.0;
  for (std::size_t i = 0; i < groups.size(); ++i) cost += groups[i][chosen[i]].cost;
  return cost;
}

// The least cost over all choices; nullopt where none fits.
std::optional<double> brute_force(const std::vector<Options>& groups, std::uint64_t budget) {
  std::optional<double> best;
  std::vector<std::size_t> chosen(groups.size());
  for (;;) {
    if (bytes_of(groups, chosen) <= budget) {
      const double cost = cost_of(groups, chosen);
      best = std::min(best.value_or(cost), cost);
    }
    std::size_t i = 0;
    while (i < groups.size() && ++chosen[i] == groups[i].size()) chosen[i++] = 0;
    if (i == groups.size()) return best;
  }
}

TEST(SolveBudget, IsAsGoodAsTryingEverything) {
  std::uint32_t state = 1;
  for (int round = 0; round < 300; ++round) {
    const std::vector<Options> groups = random_groups(state, 1 + next(state) % 5000);
    const std::uint64_t smallest = smallest_bytes(groups);
    for (const double share : {0.9, 1.0, 1.1, 1.3, 1.7, 3.0, 100.0}) {
      const auto budget = static_cast<std::uint64_t>(static_cast<double>(smallest) * share);
      const std::vector<std::size_t> chosen = solve_budget(groups, budget);
      const std::optional<double> best = brute_force(groups, budget);
      ASSERT_EQ(chosen.empty(), !best.has_value());
      if (!best) continue;
      EXPECT_LE(bytes_of(groups, chosen), budget);
      EXPECT_DOUBLE_EQ(cost_of(groups, chosen), *best) << "round " << round << " share " << share;
    }
  }
}

// Sizes without a common divisor: the table has coarse steps, and the rest is filled.
TEST(SolveBudget, UsesABudgetOfOddSizes) {
  std::vector<Options> groups;
  std::uint32_t state = 7;
  for (int i = 0; i < 60; ++i) {
    Options& options = groups.emplace_back();
    for (std::uint64_t bits = 2; bits <= 8; ++bits) {
      options.push_back({1'000'000 * bits + next(state) % 1000, std::exp2(-2.0 * double(bits))});
    }
  }
  const std::uint64_t budget = 60 * 4'321'987;
  const std::vector<std::size_t> chosen = solve_budget(groups, budget);
  EXPECT_LE(bytes_of(groups, chosen), budget);
  EXPECT_GE(bytes_of(groups, chosen), budget - budget / 200);
}

class Allocate : public testing::Test {
 protected:
  CompressReport run(const std::string& model, const std::string& out, CompressOptions options,
                     std::size_t threads = 2, const ProgressSink& progress = {}) {
    const ModelFiles source(golden_model(model));
    if (!options.calibration) options.calibration.emplace();
    options.calibration->samples = test::random_samples(source.spec());
    ThreadPool pool(threads);
    return compress(source, nullptr, folder_ / out, options, pool, progress);
  }
  static CompressOptions options_for(const std::string& to, double bits) {
    CompressOptions options;
    options.to = to;
    options.budget = Budget{bits, std::nullopt};
    return options;
  }
  std::string usage_error(const std::string& model, const CompressOptions& options,
                          const std::string& out = "none") {
    try {
      run(model, out, options);
    } catch (const Error& error) {
      EXPECT_EQ(error.code(), ErrorCode::kUsage) << error.what();
      return error.what();
    }
    ADD_FAILURE() << "nothing failed";
    return "";
  }
  test::TemporaryFolder folder_;
};

bool may_have_a_budget(const std::string& model) {
  const ModelSpec spec = ModelFiles(golden_model(model)).spec();
  return spec.has_head && !spec.encoder && !spec.decoder->experts;
}

TEST_F(Allocate, NoFormatExceedsItsBudget) {
  struct Case {
    const char* to;
    double bits;
  };
  for (const std::string& model : test::golden_models()) {
    if (!may_have_a_budget(model)) continue;
    for (const Case& row : {Case{"gguf", 9.0}, Case{"bundle", 9.0}, Case{"safetensors", 17.0}}) {
      SCOPED_TRACE(model + " " + row.to);
      const CompressReport report = run(model, model + "." + row.to, options_for(row.to, row.bits));
      EXPECT_LE(report.bits_per_weight, row.bits);
      EXPECT_THAT(report.notes.front(), HasSubstr("bits a weight:"));
    }
  }
}

TEST_F(Allocate, ThreadsDoNotShow) {
  CompressOptions options = options_for("gguf", 7.5);
  options.method = "awq,gptq";
  run("llama", "one.gguf", options, 1);
  const std::string one = test::all_bytes(folder_ / "one.gguf");
  for (const std::size_t threads : {2, 3}) {
    run("llama", "more.gguf", options, threads);
    EXPECT_TRUE(test::all_bytes(folder_ / "more.gguf") == one) << threads << " threads";
  }
}

TEST_F(Allocate, TooSmallABudgetNamesTheSmallest) {
  EXPECT_THAT(usage_error("llama", options_for("gguf", 1.0)), HasSubstr("the smallest types take"));
  CompressOptions bytes = options_for("bundle", 0.0);
  bytes.budget = Budget{std::nullopt, 100};
  EXPECT_THAT(usage_error("llama", bytes), HasSubstr("the budget of 100 bytes"));
}

TEST_F(Allocate, EncodersAreRefused) {
  EXPECT_THAT(usage_error("bert", options_for("gguf", 8.0)), HasSubstr("decoder-only"));
}

TEST_F(Allocate, AFixedEmbeddingKeepsItsType) {
  CompressOptions options = options_for("gguf", 9.0);
  options.embedding_type = "q4_0";
  const CompressReport report = run("llama", "fixed.gguf", options);
  for (const LayerReport& layer : report.layers) {
    if (layer.name == "token_embd.weight") {
      EXPECT_EQ(layer.type, DType::q4_0);
    }
  }
  EXPECT_LE(report.bits_per_weight, 9.0);
}

// The rows of a matrix, all zero or as they are, as a change.
std::shared_ptr<const ChangedTensor> change_of(const Probe& probe, int weight, bool zero,
                                               double share = 1.0) {
  const WeightRef& ref = probe.plan().weights[static_cast<std::size_t>(weight)];
  std::vector<std::byte> rows(ref.n * ref.k * sizeof(std::uint16_t));
  if (!zero) {
    const std::vector<float> values = probe.values_of(weight);
    encode_whole_rows(info(DType::bf16), values.data(), rows.data(), ref.n, ref.k);
  }
  return std::make_shared<const ChangedTensor>(
      ChangedTensor{weight, DType::bf16, std::move(rows), share});
}

// Running only what comes after a change is running everything.
TEST_F(Allocate, AProbeRunsWhatAChangeReaches) {
  const ModelFiles source(golden_model("llama"));
  const std::vector<Sample> samples = test::random_samples(source.spec());
  ThreadPool pool(2);
  Probe probe(source, samples, pool, detect_cpu_features());
  EXPECT_LT(probe.divergence({}), 1e-6);
  const std::vector<Block> blocks = blocks_of(probe.plan());
  const auto matrix_of = [&](const Block& block) {
    return probe.plan().decoder.steps[block.begin].pieces.front().weight;
  };
  const int first = matrix_of(blocks.front());
  const int last = matrix_of(blocks.back());
  const double broken = probe.divergence({change_of(probe, last, true)});
  EXPECT_GT(broken, 1e-6);
  EXPECT_EQ(probe.divergence({change_of(probe, first, false), change_of(probe, last, true)}),
            probe.divergence({change_of(probe, last, true), change_of(probe, first, false)}));
  EXPECT_NEAR(probe.divergence({change_of(probe, first, false), change_of(probe, last, true)}),
              broken, 1e-3 * broken + 1e-6);
  EXPECT_LT(probe.divergence({}), 1e-6);  // changes do not stay
}

// Divergence goes with the squares of errors, where these are small.
TEST_F(Allocate, AShareOfAnErrorIsAsMuchOfTheDivergence) {
  const ModelFiles source(golden_model("llama"));
  const std::vector<Sample> samples = test::random_samples(source.spec());
  ThreadPool pool(2);
  Probe probe(source, samples, pool, detect_cpu_features());
  const Block last = blocks_of(probe.plan()).back();
  const int matrix = probe.plan().decoder.steps[last.begin].pieces.front().weight;
  const double whole = probe.divergence({change_of(probe, matrix, true)});
  const double half = probe.divergence({change_of(probe, matrix, true, 0.5)});
  EXPECT_LT(half, 0.8 * whole);
  EXPECT_GT(half, 0.2 * whole);
}

class UniformChoices : public testing::Test {
 protected:
  // Those of a budget that `type` for all tensors uses up but for `missing` bytes.
  std::vector<Candidate> within(DType type, std::uint64_t missing) {
    const TypePolicy policy{type, type, type, DType::f32, DType::f32};
    AllocationRequest request{source_, need_target("gguf"),        policy,
                              {},      Budget{16.5, std::nullopt}, calibration_,
                              recipe_};
    request.budget = Budget{std::nullopt, bytes_of(Ledger(request).jobs()) - missing};
    const Ledger ledger(request);
    budget_ = ledger.for_choices();
    groups_ = make_groups(plan_, ledger.jobs(), request.target, {});
    std::vector<Options> costs;
    for (const Group& group : groups_) {
      Options& options = costs.emplace_back();
      for (const std::uint64_t bytes : group.bytes) {
        options.push_back({bytes, 1.0 / static_cast<double>(bytes)});
      }
    }
    return uniform_candidates(ledger, plan_, groups_, costs, 100);
  }
  std::uint64_t bytes_in(const Candidate& candidate) const {
    std::uint64_t bytes = 0;
    for (std::size_t i = 0; i < groups_.size(); ++i) {
      const std::vector<DType>& types = groups_[i].types;
      const auto type = std::find(types.begin(), types.end(), candidate.types[i]);
      bytes += groups_[i].bytes[static_cast<std::size_t>(type - types.begin())];
    }
    return bytes;
  }
  const ModelFiles source_{golden_model("llama")};
  const Plan plan_ = make_plan(source_.spec());
  const Recipe recipe_ = parse_recipe("rtn");
  CalibrationOptions calibration_;
  std::vector<Group> groups_;
  std::uint64_t budget_ = 0;
};

TEST_F(UniformChoices, TypesThroughoutAreCompared) {
  std::vector<std::string> names;
  for (const Candidate& one : within(DType::q4_0, 0)) {
    names.push_back(one.like);
    EXPECT_EQ(one.types.size(), groups_.size());
  }
  EXPECT_THAT(names, testing::Contains("q4_0 throughout"));
  EXPECT_THAT(names, testing::Not(testing::Contains(HasSubstr("q8_0"))));
}

TEST_F(UniformChoices, OneJustBeyondTheBudgetIsMadeToFit) {
  bool found = false;
  for (const Candidate& one : within(DType::q5_0, 1)) {
    EXPECT_NE(one.like, "q5_0 throughout");
    EXPECT_LE(bytes_in(one), budget_);
    const auto same = std::count(one.types.begin(), one.types.end(), DType::q5_0);
    found = found || 2 * static_cast<std::size_t>(same) > groups_.size();
  }
  EXPECT_TRUE(found);
}

class Killed : public std::exception {};

class ResumedChoice : public Allocate {
 protected:
  static ProgressSink killer(const std::string& stage) {
    return [stage](std::string_view what, std::uint64_t, std::uint64_t) {
      if (what == stage) throw Killed();
    };
  }
  std::string choice() const { return folder_ / ".out.gguf.work/types.json"; }
  void kill(const std::string& stage) {
    EXPECT_THROW(run("llama", "out.gguf", options_, 2, killer(stage)), Killed);
  }
  CompressOptions resumed() const {
    CompressOptions again = options_;
    again.calibration.emplace();
    again.calibration->resume = true;
    return again;
  }
  CompressOptions options_ = options_for("gguf", 7.5);
};

TEST_F(ResumedChoice, EndsInTheSameBytesAndProbesNothing) {
  run("llama", "whole.gguf", options_);
  kill("calibrating");
  ASSERT_TRUE(std::filesystem::exists(choice()));
  const CompressReport report = run("llama", "out.gguf", resumed(), 1, killer("choosing types"));
  EXPECT_TRUE(test::all_bytes(folder_ / "out.gguf") == test::all_bytes(folder_ / "whole.gguf"));
  EXPECT_THAT(report.notes.front(), HasSubstr("bits a weight:"));
  EXPECT_FALSE(std::filesystem::exists(choice()));
}

TEST_F(ResumedChoice, AnUnfinishedChoiceIsMadeAgain) {
  kill("choosing types");
  EXPECT_FALSE(std::filesystem::exists(choice()));
  run("llama", "out.gguf", resumed());
  run("llama", "whole.gguf", options_);
  EXPECT_TRUE(test::all_bytes(folder_ / "out.gguf") == test::all_bytes(folder_ / "whole.gguf"));
}

TEST_F(ResumedChoice, AnotherBudgetIsRefused) {
  kill("calibrating");
  CompressOptions other = resumed();
  other.budget = Budget{8.0, std::nullopt};
  EXPECT_THAT(usage_error("llama", other, "out.gguf"), HasSubstr("without --resume"));
}

TEST_F(ResumedChoice, WhatCouldNotHaveBeenChosenIsRefused) {
  kill("calibrating");
  const Json good = read_json_file(choice());
  const auto refusal = [&](const std::string& text) {
    std::ofstream(choice()) << text;
    try {
      run("llama", "out.gguf", resumed());
    } catch (const Error& error) {
      EXPECT_EQ(error.code(), ErrorCode::kMalformed) << error.what();
      return std::string(error.what());
    }
    ADD_FAILURE() << "took " << text;
    return std::string();
  };
  const auto with = [&](const std::string& tensor, const Json& type) {
    Json bad = good;
    bad["types"][tensor] = type;
    return bad.dump();
  };
  const std::string tensor = good["types"].begin().key();
  for (const std::string& text :
       {std::string("{"), std::string("[]"), std::string(R"({"like": "", "types": 1})")}) {
    refusal(text);
  }
  EXPECT_THAT(refusal(with(tensor, "q9_9")), HasSubstr("not known"));
  EXPECT_THAT(refusal(with(tensor, 7)), HasSubstr("without --resume"));
  EXPECT_THAT(refusal(with("blk.0.attn_output.weight", "w8a8")), HasSubstr("no type to choose"));
  EXPECT_THAT(refusal(with("blk.0.attn_k.weight", "w8a8")), HasSubstr("no type to choose"));
  EXPECT_THAT(refusal(with("output_norm.weight", "f16")), HasSubstr("do not choose"));
  EXPECT_THAT(refusal(with("no.such", "f16")), HasSubstr("do not choose"));
  Json unknown = good;
  unknown["like"] = "q9_9 throughout";
  EXPECT_THAT(refusal(unknown.dump()), HasSubstr("not known"));
  Json wide = good;
  for (auto& type : wide["types"]) type = "f16";
  EXPECT_THAT(refusal(wide.dump()), HasSubstr("exceeds the budget"));
  Json lacking = good;
  lacking["types"].erase(tensor);
  EXPECT_THAT(refusal(lacking.dump()), HasSubstr("lacks"));
}

}  // namespace
}  // namespace halfbyte
