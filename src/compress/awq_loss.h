// How much a fold's consumers err on their outputs once they are rounded, for each of several
// scales.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "compress/awq_scales.h"
#include "compress/linalg.h"

namespace halfbyte {

struct AwqProblem {
  const Fold& fold;
  std::span<const AwqMatrix> matrices;
  const InputStats& inputs;  // with the Gram matrix, both triangles
};

// For each of `scales` ([channels] each) the sum over the matrices of tr(D G D^T), where D is
// Q(W s) / s - W, Q rounds to nearest with the inputs' weights and G is the Gram matrix of the
// inputs: the sum over all calibration tokens of |D x|^2. It is estimated from at most `rows` rows
// of each matrix, evenly spaced.
std::vector<double> awq_losses(const AwqProblem& problem,
                               std::span<const std::vector<float>> scales, std::uint64_t rows,
                               DenseWorkers& workers);

}  // namespace halfbyte
