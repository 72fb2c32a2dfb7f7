// What a file of vector kernels exports: plain rows, which isa/NAME/rows.cpp turns into rows of the
// registry. Plain data, since those files are compiled for one instruction set.
#pragma once

#include <cstddef>

#include "kernels/linear.h"
#include "tensor/dtype.h"

namespace halfbyte {

struct LinearRow {
  const char* name;  // "avx2.q4_0.decode"
  DType weight;
  bool prefill;
  LinearInt8 int8;
  LinearF32 f32;
  LinearBf16 bf16 = nullptr;
  LinearToken token = nullptr;
};

struct LinearRows {
  const LinearRow* rows = nullptr;
  std::size_t count = 0;
};

}  // namespace halfbyte
