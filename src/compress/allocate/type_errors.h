// What rounding a matrix to each of several types does to its outputs.
#pragma once

#include <vector>

#include "compress/linalg.h"
#include "compress/methods.h"

namespace halfbyte {

// errors[i] += the sum of the squared errors of the matrix's outputs in types[i], from some of its
// rows, with the inputs taken as uncorrelated.
void add_type_errors(MatrixTask matrix, const std::vector<DType>& types, InputStats& inputs,
                     DenseWorkers& workers, std::vector<double>& errors);

}  // namespace halfbyte
