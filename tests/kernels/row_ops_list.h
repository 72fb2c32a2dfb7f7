// The row operations that this machine can run, for tests that walk all of them.
#pragma once

#include <string>
#include <vector>

#include "kernels/registry.h"
#include "support/amx_emulator.h"

namespace halfbyte {

inline std::vector<RowKernel> runnable_row_kernels() {
  std::vector<RowKernel> kernels;
  for (const IsaRows* isa : all_isas())
    for (const RowKernel& kernel : isa->rows)
      if (detect_cpu_features().includes(kernel.needs)) kernels.push_back(kernel);
  return kernels;
}

// Those with tiles run in an emulator where the CPU has none.
inline std::vector<AttentionKernel> runnable_attention_kernels() {
  std::vector<AttentionKernel> kernels;
  for (const IsaRows* isa : all_isas())
    for (const AttentionKernel& kernel : isa->attention)
      if (test::features_to_test().includes(kernel.needs)) kernels.push_back(kernel);
  return kernels;
}

}  // namespace halfbyte
