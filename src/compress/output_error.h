// How much a quantized matrix changes its outputs.
#pragma once

#include "compress/methods.h"

namespace halfbyte {

// sqrt(sum |(w - q) x|^2 / sum |w x|^2) for encoded `rows`, with the inputs taken as uncorrelated:
// their mean squares weigh the columns.
double output_error(const MatrixTask& task, const std::vector<std::byte>& rows,
                    const std::vector<float>& mean_squares, ThreadPool& pool);

}  // namespace halfbyte
