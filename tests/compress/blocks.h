// A golden model's blocks as transforms see them, with samples to run them on.
#pragma once

#include <cmath>
#include <deque>
#include <functional>
#include <string>
#include <unordered_map>
#include <vector>

#include <gtest/gtest.h>

#include "compress/fold.h"
#include "kernels/registry.h"
#include "runtime/session.h"
#include "support.h"

namespace halfbyte::test {

inline std::vector<TokenId> some_tokens(const ModelSpec& spec, std::size_t count,
                                        std::uint32_t state = 1) {
  std::vector<TokenId> tokens(count);
  for (TokenId& token : tokens) {
    state = state * 1664525u + 1013904223u;
    token = static_cast<TokenId>((state >> 8) % spec.vocab);
  }
  return tokens;
}

// Hidden states or logits for some tokens, with matrices in f32.
inline std::vector<float> output_of(const ModelFiles& files, ThreadPool& pool) {
  LoadOptions options;
  options.compute = Compute::f32;
  const Model model(files, pool, options);
  Session session(model);
  const std::vector<TokenId> tokens = some_tokens(model.spec(), 12);
  std::vector<float> output;
  if (model.spec().encoder) {
    const auto hidden = session.encode(tokens, std::vector<std::uint8_t>(tokens.size(), 1));
    output.assign(hidden.begin(), hidden.end());
  }
  if (model.spec().decoder) {
    output.resize(tokens.size() * model.spec().vocab);
    session.append(tokens, tokens.size(), output.data());
  }
  return output;
}

// Root mean square of the difference, relative to that of `expected`.
inline double relative_error(const std::vector<float>& expected, const std::vector<float>& actual) {
  EXPECT_EQ(expected.size(), actual.size());
  double difference = 0.0;
  double all = 0.0;
  for (std::size_t i = 0; i < expected.size(); ++i) {
    difference += (double{expected[i]} - actual[i]) * (double{expected[i]} - actual[i]);
    all += double{expected[i]} * expected[i];
  }
  return std::sqrt(difference / all);
}

class Blocks {
 public:
  Blocks(const std::string& path, ThreadPool& pool)
      : files(path),
        plan(make_plan(files.spec())),
        all(blocks_of(plan)),
        workers(pool, select_dense(detect_cpu_features()).multiply),
        gram(plan.widest_input(), workers, {}),
        pool_(pool) {
    for (const WeightRef& ref : plan.weights) types[ref.name] = DType::q4_0;
  }

  const StackPlan& stack_of(const Block& block) const {
    return block.encoder ? plan.encoder : plan.decoder;
  }
  StatsTap tap(const Block& block, GramSum* sums = nullptr) const {
    return {plan, stack_of(block).steps, block.begin, block.end, sums};
  }
  std::vector<Fold> folds(const Block& block) const {
    return folds_of(plan, stack_of(block), block);
  }
  // Does `work` to a block whose inputs `inputs` has seen; the files hold what it has changed.
  void transform(const Block& block, StatsTap& inputs,
                 const std::function<void(BlockTask& task)>& work) {
    BlockWeights& weights = changed_.emplace_back(files, plan, pool_);
    BlockTask task{plan, stack_of(block), block, inputs, weights, types, pool_, workers};
    work(task);
    weights.replace_in(files);
  }

  ModelFiles files;
  Plan plan;
  std::vector<Block> all;
  std::unordered_map<std::string, DType> types;
  DenseWorkers workers;
  GramSum gram;  // in f32: rounding has tests of its own

 private:
  ThreadPool& pool_;
  std::deque<BlockWeights> changed_;
};

}  // namespace halfbyte::test
