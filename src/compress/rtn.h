// Round to nearest (RTN): each weight goes to the nearest level of its block.
#pragma once

#include "compress/methods.h"

namespace halfbyte {

// Scales as ggml's quantizer without importance chooses them, byte for byte (types with zero
// points: as GPTQ's does, by the rules).
void rtn_encode(const DTypeInfo& type, ScaleRules rules, const float* src, std::byte* dst,
                std::size_t rows, std::size_t columns);

// dst = src[k], one row, rounded so that sum importance * error^2 is small; `importance` [k] is
// ignored by types whose scales do not depend on it.
void rtn_encode_row(DType dtype, ScaleRules rules, const float* src, const float* importance,
                    std::byte* dst, std::size_t k);

// Scales that minimize the error weighted by the inputs' mean squares, as ggml's quantizer does it
// with an importance matrix; as rtn_encode for types whose scales do not depend on it.
std::vector<MatrixResult> rtn_solve(std::vector<MatrixTask>& matrices, InputStats& inputs,
                                    DenseWorkers& workers);

// Scales as rtn_encode chooses them, whatever the inputs are.
std::vector<MatrixResult> rtn_round(const std::vector<MatrixTask>& matrices, ThreadPool& pool);

}  // namespace halfbyte
