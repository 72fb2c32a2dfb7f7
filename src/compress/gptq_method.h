// GPTQ as a method: from what calibration saw to encoded rows (the solver is gptq.h).
#pragma once

#include "compress/methods.h"

namespace halfbyte {

// Fails with kUsage for a type that has no grid.
std::vector<MatrixResult> gptq_solve(std::vector<MatrixTask>& matrices, InputStats& inputs,
                                     DenseWorkers& workers);

}  // namespace halfbyte
