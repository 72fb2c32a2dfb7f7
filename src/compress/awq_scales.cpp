#include "compress/awq_scales.h"

#include <algorithm>
#include <cmath>

#include "tensor/grid.h"

namespace halfbyte {

namespace {

constexpr std::uint32_t kRatios = 20;
constexpr float kLeastScale = 1e-4f;
constexpr float kLeastWeight = 1e-4f;  // added to weight^(1-r)
constexpr float kLeastGroup = 1e-6f;   // added to a group's largest weight

// Elements of a row that share a scale.
std::uint64_t group_of(const AwqMatrix& matrix, std::uint64_t k) {
  const Grid* const grid = find_grid(matrix.dtype, matrix.rules);
  if (grid == nullptr) return info(matrix.dtype).block;
  return grid->by_row() ? k : grid->group;
}

float largest(const float* values, std::uint64_t count) {
  float result = 0.0f;
  for (std::uint64_t i = 0; i < count; ++i) result = std::max(result, std::fabs(values[i]));
  return result;
}

void add_shares(const AwqMatrix& matrix, std::vector<double>& sums) {
  const std::uint64_t k = sums.size();
  const std::uint64_t group = group_of(matrix, k);
  for (std::uint64_t row = 0; row < matrix.n; ++row) {
    for (std::uint64_t begin = 0; begin < k; begin += group) {
      const float* const values = matrix.values + row * k + begin;
      const std::uint64_t count = std::min(group, k - begin);
      const float scale = 1.0f / (largest(values, count) + kLeastGroup);
      for (std::uint64_t i = 0; i < count; ++i) {
        sums[begin + i] += double{std::fabs(values[i]) * scale};
      }
    }
  }
}

float raw_scale(const AwqFormula& formula, float input, float weight) {
  float scale = std::pow(input, formula.ratio);
  if (formula.by_weight) scale /= std::pow(weight, 1.0f - formula.ratio) + kLeastWeight;
  return std::max(scale, kLeastScale);
}

// The factor that makes the largest times the smallest of the counted scales 1.
float normalization(const std::vector<float>& scales, const std::vector<bool>& counts) {
  float low = INFINITY;
  float high = 0.0f;
  for (std::size_t j = 0; j < scales.size(); ++j) {
    if (!counts[j]) continue;
    low = std::min(low, scales[j]);
    high = std::max(high, scales[j]);
  }
  return 1.0f / (std::sqrt(low) * std::sqrt(high));
}

}  // namespace

ChannelSizes channel_sizes(const Fold& fold, std::span<const AwqMatrix> matrices,
                           const InputStats& inputs) {
  std::vector<double> sums(inputs.k);
  double rows = 0.0;
  for (const AwqMatrix& matrix : matrices) {
    add_shares(matrix, sums);
    rows += static_cast<double>(matrix.n);
  }
  std::vector<float> shares(inputs.k);
  std::transform(sums.begin(), sums.end(), shares.begin(),
                 [rows](double sum) { return static_cast<float>(sum / rows); });
  return {channel_means(fold, inputs.mean_magnitude()), channel_means(fold, shares)};
}

std::vector<AwqFormula> awq_formulas() {
  std::vector<AwqFormula> formulas{{.identity = true}};
  for (const bool by_weight : {true, false}) {
    for (std::uint32_t i = 0; i < kRatios; ++i) {
      const float ratio = static_cast<float>(i) / static_cast<float>(kRatios);
      // input^0 is the identity again.
      if (by_weight || i > 0) formulas.push_back({false, by_weight, ratio});
    }
  }
  return formulas;
}

std::vector<float> awq_scales(const AwqFormula& formula, const ChannelSizes& sizes) {
  std::vector<float> scales(sizes.input.size(), 1.0f);
  if (formula.identity) return scales;
  std::vector<bool> counts(scales.size());
  for (std::size_t j = 0; j < scales.size(); ++j) {
    const float scale = raw_scale(formula, sizes.input[j], sizes.weight[j]);
    counts[j] = sizes.input[j] > 0.0f && std::isfinite(scale);
    if (counts[j]) scales[j] = scale;
  }
  const float factor = normalization(scales, counts);
  for (std::size_t j = 0; j < scales.size(); ++j) {
    if (counts[j]) scales[j] *= factor;
  }
  return scales;
}

}  // namespace halfbyte
