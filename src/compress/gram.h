// Gram matrices of inputs, by the kernels that multiply 8 bits with 8 bits.
//
// Inputs are rounded to 8 bits with one scale a column for every kGramRows rows; sums of their
// products are exact integers. Rounding adds some (max / 127)^2 / 12 a row to a column's diagonal:
// 0.5 % where one row holds all of the column, usually 0.01 %; GPTQ's damping is 1 %. The result is
// the Gram matrix of the rounded inputs, semidefinite as any (docs/decisions/0024).
#pragma once

#include <cstddef>

#include "compress/linalg.h"
#include "kernels/registry.h"
#include "runtime/arena.h"

namespace halfbyte {

constexpr std::size_t kGramRows = 1024;

class GramSum {
 public:
  // For up to `max_k` columns. `dense` does the work, in f32, where the CPU has no vector kernel
  // for 8 bits.
  GramSum(std::size_t max_k, DenseWorkers& dense, CpuFeatures features);

  // h [k, k] += X^T X in its lower triangle with the diagonal (numbers above it may change, too);
  // x [rows, k], `stride` floats from row to row. Called by all threads of one region of the pool;
  // nobody calls again before all are back. The number of threads does not change the bits.
  void add(const float* x, std::size_t stride, std::size_t rows, std::size_t k, float* h,
           std::size_t thread, Team& team);

 private:
  struct Batch;
  void add_batch(const Batch& batch, float* h, std::size_t thread, Team& team);
  void quantize(const Batch& batch, std::size_t block, std::size_t thread);
  void add_tile(const Batch& batch, std::size_t first, std::size_t row, float* h,
                std::size_t thread);

  DenseWorkers& dense_;
  const RowOps& ops_;
  LinearToken multiply_;  // nullptr: dense_ does it
  Arena arena_;
  // Of one batch, columns as rows: quantized, and the same as weights.
  TokenRows columns_;
  std::byte* panels_ = nullptr;
  // By thread.
  float* blocks_ = nullptr;    // [kTokenRows, stride]: columns of a block
  float* products_ = nullptr;  // [kPartRows, kTile]
};

}  // namespace halfbyte
