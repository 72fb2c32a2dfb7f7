// GPTQ (Frantar et al. 2022, arXiv 2210.17323) on any grid: codes and scales of a matrix that keep
// its outputs, not its weights, close to what they were.
//
// With X the inputs that calibration saw and H = sum of x x^T, the error that is made small is
// tr((W - Q) H (W - Q)^T), the squared error of the outputs. Rows are independent; results do not
// depend on the number of threads. NaN and infinities in W or H are the caller's to refuse.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "compress/gptq_hessian.h"
#include "tensor/grid.h"

namespace halfbyte {

struct GptqOptions {
  // Scales of a block are fitted when the pass reaches it, to the weights as they are by then; if
  // false, or with descending columns, before the pass.
  bool dynamic_scales = true;
  // Fits count an error of a column as if the columns behind it made up for it (pivots), rather
  // than as if it stood alone (H's diagonal). It makes the layer's error a little smaller, but the
  // model's larger: SmolLM2 as q4_0, KL 0.161 with pivots, 0.135 without.
  bool pivot_importance = false;
  // Sweeps after the pass: the first `refits` of them solve for scales, the
  // first `sweeps` move codes.
  int refits = 2;
  int sweeps = 2;
};

struct GptqTask {
  const float* weights = nullptr;  // [n, k]
  std::size_t n = 0;
  const Grid* grid = nullptr;    // its block divides k
  std::byte* encoded = nullptr;  // n rows of the grid's type
  float* dequantized = nullptr;  // [n, k], may be `weights`; nullptr if not wanted
};

struct GptqReport {
  double error = 0.0;    // tr((W - Q) H (W - Q)^T)
  double size = 0.0;     // tr(W H W^T)
  double damping = 0.0;  // that was needed
  bool rounded = false;  // H could not be factored: every weight went to its nearest level instead
  std::size_t dead = 0;  // columns
  double relative() const { return size > 0.0 ? error / size : 0.0; }
};

GptqReport gptq(DenseWorkers& workers, const GptqHessian& hessian, const GptqTask& task,
                const GptqOptions& options);

// For comparison, and where there is nothing better: scales fitted to the weights with H's diagonal
// as importance, nearest codes.
GptqReport round_to_nearest(DenseWorkers& workers, const GptqHessian& hessian,
                            const GptqTask& task);

}  // namespace halfbyte
