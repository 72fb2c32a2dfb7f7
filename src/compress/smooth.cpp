#include "compress/smooth.h"

#include <algorithm>
#include <cmath>

namespace halfbyte {

namespace {

constexpr float kLeast = 1e-5f;

// max |w| of each column over all rows of all matrices that read the channels and are quantized.
std::vector<float> column_peaks(const Fold& fold, BlockTask& task) {
  std::vector<float> peaks(fold.channels);
  const std::uint64_t k = peaks.size();
  for (const Piece* piece : quantized_pieces(fold, task)) {
    const std::vector<float>& values = task.weights.values(piece->weight);
    for (std::size_t row = 0; row < values.size(); row += k) {
      for (std::uint64_t j = 0; j < k; ++j) {
        peaks[j] = std::max(peaks[j], std::fabs(values[row + j]));
      }
    }
  }
  return peaks;
}

}  // namespace

std::vector<float> smooth_scales(std::span<const float> input, std::span<const float> weight,
                                 float smoothing) {
  std::vector<float> scales(input.size(), 1.0f);
  for (std::size_t j = 0; j < scales.size(); ++j) {
    if (input[j] == 0.0f || weight[j] == 0.0f) continue;
    scales[j] = std::pow(std::max(input[j], kLeast), smoothing) /
                std::pow(std::max(weight[j], kLeast), 1.0f - smoothing);
  }
  return scales;
}

void smooth_transform(BlockTask& task) {
  for (const Fold& fold : folds_of(task.plan, task.stack, task.block)) {
    const InputStats& inputs = task.inputs.of(*fold.consumer);
    if (fold.kind != FoldKind::norm || quantized_pieces(fold, task).empty()) continue;
    if (!inputs.finite()) continue;
    apply_fold(fold, smooth_scales(inputs.peak, column_peaks(fold, task)), task);
  }
}

}  // namespace halfbyte
