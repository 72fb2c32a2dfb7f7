// The row operations that this machine can run, for tests that walk all of them.
#pragma once

#include <string>
#include <vector>

#include "kernels/registry.h"

namespace halfbyte {

inline std::vector<RowKernel> runnable_row_kernels() {
  std::vector<RowKernel> kernels;
  for (const IsaRows* isa : all_isas())
    for (const RowKernel& kernel : isa->rows)
      if (detect_cpu_features().includes(kernel.needs)) kernels.push_back(kernel);
  return kernels;
}

}  // namespace halfbyte
