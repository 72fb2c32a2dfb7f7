// The inputs of linear steps: what the step's prologue makes of them, in the forms that its kernels
// take.
#pragma once

#include <cstdint>

#include "runtime/execute.h"

namespace halfbyte {

// Rows [rows, k], in some of these forms.
struct LinearInput {
  const float* f32 = nullptr;
  std::uint64_t stride = 0;  // floats from row to row of f32
  QuantizedRows int8;
  TokenRows token;
  Bf16Rows bf16;
};

// The rows that a step takes, as they stand in a buffer.
struct InputRows {
  const float* x = nullptr;
  std::uint64_t stride = 0;  // floats from row to row
  std::uint64_t count = 0;
  const std::uint32_t* places = nullptr;  // row i is row places[i] of x; nullptr: row i

  const float* row(std::uint64_t i) const {
    return x + (places != nullptr ? places[i] : i) * stride;
  }
};

// Which of them a step's kernels take.
struct InputKinds {
  bool f32 = false;
  bool int8 = false;
  bool bf16 = false;
  bool token = false;
  float outliers = kNoOutliers;  // of token: the lowest limit of the step's types

  bool has_outliers() const { return outliers < kNoOutliers; }
};

// Up to so many rows weights go from memory to registers.
constexpr std::uint64_t kStreamedRows = 4;

// The kernel that multiplies so many rows with these weights.
const LinearKernel& kernel_for(const Weight& weight, Phase phase, std::uint64_t rows);

// One thread's part in a pass.
class InputPreparer {
 public:
  InputPreparer(const Pass& pass, std::size_t thread, Team& team);

  void norm(const NormRef& norm, const float* x, std::uint64_t n, float* y) const;
  InputKinds kinds_of(const Step& step, Phase phase, std::uint64_t rows) const;
  // All rows of the step's buffer, or those of its expert, perhaps none.
  InputRows rows_of(const Step& step) const;
  // Of these rows. With one row every thread prepares its
  // own copy, which costs less than a barrier; more rows are shared out. Ends with a barrier where
  // they are, and once the pass's tap has had its look.
  LinearInput prepare(const Step& step, const InputRows& rows, const InputKinds& kinds) const;

 private:
  const Weight& weight(int index) const { return pass_.model.weights[index]; }
  const float* transformed(const Step& step, const float* x, float* to) const;
  LinearInput shared(const Step& step, const InputRows& rows, std::uint64_t k,
                     const InputKinds& kinds) const;
  LinearInput own(const Step& step, const float* x, std::uint64_t k, const InputKinds& kinds) const;
  void convert(const float* x, std::uint64_t row, const InputKinds& kinds,
               const LinearInput& input) const;

  const Pass& pass_;
  const RowOps& ops_;
  Workspace& space_;
  const ThreadScratch& scratch_;
  std::size_t thread_;
  Team& team_;
};

}  // namespace halfbyte
