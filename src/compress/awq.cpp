#include "compress/awq.h"

#include <algorithm>
#include <numeric>

namespace halfbyte {

namespace {

// All candidates are tried on a few rows, the best of them and the identity again on more.
constexpr std::uint64_t kRowsTried = 32;
constexpr std::uint64_t kRowsOfBest = 256;
constexpr std::size_t kBest = 6;

using Scales = std::vector<std::vector<float>>;

Scales all_scales(const AwqProblem& problem) {
  const ChannelSizes sizes = channel_sizes(problem.fold, problem.matrices, problem.inputs);
  Scales all;
  for (const AwqFormula& formula : awq_formulas()) all.push_back(awq_scales(formula, sizes));
  return all;
}

// The identity, then those with the smallest losses, the first of equal ones first.
Scales best_of(const Scales& all, const std::vector<double>& losses) {
  std::vector<std::size_t> order(all.size() - 1);
  std::iota(order.begin(), order.end(), 1);
  std::stable_sort(order.begin(), order.end(),
                   [&](std::size_t a, std::size_t b) { return losses[a] < losses[b]; });
  Scales best{all[0]};
  for (std::size_t i = 0; i < std::min(kBest, order.size()); ++i) best.push_back(all[order[i]]);
  return best;
}

// Gram matrices come as a lower triangle; products take the whole.
void fill_upper(InputStats& stats) {
  for (std::uint64_t i = 0; i < stats.k; ++i) {
    for (std::uint64_t j = 0; j < i; ++j) stats.gram[j * stats.k + i] = stats.gram[i * stats.k + j];
  }
}

void scale(const Fold& fold, BlockTask& task) {
  std::vector<AwqMatrix> matrices;
  for (const Piece* piece : quantized_pieces(fold, task)) {
    const WeightRef& ref = task.plan.weights[static_cast<std::size_t>(piece->weight)];
    matrices.push_back(
        {task.weights.values(piece->weight).data(), ref.n, task.types.at(ref.name), task.rules});
  }
  InputStats& inputs = task.inputs.of(*fold.consumer);
  if (matrices.empty() || !inputs.finite() || inputs.starved()) return;
  fill_upper(inputs);
  const std::vector<float> scales = awq_search({fold, matrices, inputs}, task.workers);
  if (!scales.empty()) apply_fold(fold, scales, task);
}

}  // namespace

std::vector<float> awq_search(const AwqProblem& problem, DenseWorkers& workers) {
  const Scales all = all_scales(problem);
  Scales best = best_of(all, awq_losses(problem, all, kRowsTried, workers));
  const std::vector<double> losses = awq_losses(problem, best, kRowsOfBest, workers);
  // Not a number is no candidate's win.
  std::size_t winner = 0;
  for (std::size_t i = 1; i < losses.size(); ++i) {
    if (losses[i] < losses[winner]) winner = i;
  }
  return winner == 0 ? std::vector<float>() : std::move(best[winner]);
}

void awq_transform(BlockTask& task) {
  for (const Fold& fold : folds_of(task.plan, task.stack, task.block)) scale(fold, task);
}

}  // namespace halfbyte
