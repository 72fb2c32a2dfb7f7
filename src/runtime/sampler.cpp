#include "runtime/sampler.h"

#include <algorithm>
#include <cmath>
#include <unordered_set>

namespace halfbyte {

namespace {

// SplitMix64 (Steele, Lea, Flood 2014): small, and the same everywhere.
std::uint64_t next_random(std::uint64_t& state) {
  state += 0x9E3779B97F4A7C15u;
  std::uint64_t z = state;
  z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9u;
  z = (z ^ (z >> 27)) * 0x94D049BB133111EBu;
  return z ^ (z >> 31);
}

// The first of the largest values that are numbers.
TokenId largest(const std::vector<float>& values) {
  std::size_t best = 0;
  for (std::size_t i = 1; i < values.size(); ++i) {
    if (values[i] > values[best] || std::isnan(values[best])) best = i;
  }
  return static_cast<TokenId>(best);
}

}  // namespace

Sampler::Sampler(const SamplingOptions& options) : options_(options), state_(options.seed) {}

double Sampler::uniform() {
  return static_cast<double>(next_random(state_) >> 11) * 0x1p-53;
}

void Sampler::penalize(std::span<const TokenId> history) {
  if (options_.repeat_penalty == 1.0f) return;
  const std::size_t count = std::min<std::size_t>(history.size(), options_.repeat_last);
  const auto recent = history.last(count);
  for (const TokenId id : std::unordered_set<TokenId>(recent.begin(), recent.end())) {
    float& value = values_[static_cast<std::size_t>(id)];
    value = value > 0 ? value / options_.repeat_penalty : value * options_.repeat_penalty;
  }
}

// The candidates in descending order: all that top_k allows.
void Sampler::keep_best() {
  const auto better = [](const Candidate& a, const Candidate& b) {
    return a.value != b.value ? a.value > b.value : a.id < b.id;
  };
  candidates_.clear();
  for (std::size_t i = 0; i < values_.size(); ++i) {
    if (!std::isnan(values_[i])) candidates_.push_back({static_cast<TokenId>(i), values_[i]});
  }
  std::size_t keep = candidates_.size();
  if (options_.top_k != 0) keep = std::min<std::size_t>(keep, options_.top_k);
  const auto middle = candidates_.begin() + static_cast<std::ptrdiff_t>(keep);
  std::partial_sort(candidates_.begin(), middle, candidates_.end(), better);
  candidates_.erase(middle, candidates_.end());
}

TokenId Sampler::sample(std::span<const float> logits, std::span<const TokenId> history) {
  values_.assign(logits.begin(), logits.end());
  penalize(history);
  if (options_.temperature <= 0.0f) {
    return largest(values_);
  }
  keep_best();
  if (candidates_.empty()) return 0;
  const float best = candidates_.front().value;
  std::vector<double> weights;
  double total = 0.0;
  for (const Candidate& c : candidates_) {
    weights.push_back(std::exp(static_cast<double>(c.value - best) / options_.temperature));
    total += weights.back();
  }
  // Probabilities of the tempered distribution: top-p keeps the fewest that reach p, min-p what is
  // likely enough beside the best.
  std::size_t keep = 0;
  double mass = 0.0;
  while (keep < weights.size() &&
         (keep == 0 || (mass < options_.top_p * total && weights[keep] >= options_.min_p))) {
    mass += weights[keep++];
  }
  double draw = uniform() * mass;
  for (std::size_t i = 0; i + 1 < keep; ++i) {
    draw -= weights[i];
    if (draw < 0.0) return candidates_[i].id;
  }
  return candidates_[keep - 1].id;
}

}  // namespace halfbyte
