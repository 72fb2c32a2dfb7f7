// Gathering the ISA folders' rows (the build lists the folders) and choosing among them.
#include "kernels/registry.h"

#include <algorithm>
#include <vector>

#include "kernels/isa_rows.h"

namespace halfbyte {

#define HALFBYTE_ISA(name) const IsaRows& name##_rows();
#include "kernels/isa_list.inc"
#undef HALFBYTE_ISA

std::vector<LinearKernel> linear_kernels(std::string_view isa, CpuFeatures needs,
                                         std::initializer_list<LinearRows> lists) {
  std::vector<LinearKernel> kernels;
  for (const LinearRows& list : lists) {
    for (const LinearRow& row : std::span(list.rows, list.count)) {
      const Phase phase = row.prefill ? Phase::prefill : Phase::decode;
      kernels.push_back({row.name, isa, needs, row.weight, phase, row.int8, row.f32});
    }
  }
  return kernels;
}

std::span<const IsaRows* const> all_isas() {
  static const std::vector<const IsaRows*> isas = [] {
    std::vector<const IsaRows*> list = {
#define HALFBYTE_ISA(name) &name##_rows(),
#include "kernels/isa_list.inc"
#undef HALFBYTE_ISA
    };
    std::ranges::sort(list, {}, &IsaRows::rank);
    return list;
  }();
  return isas;
}

const LinearKernel* select_linear(DType weight, Phase phase, Compute compute,
                                  CpuFeatures features) {
  const bool in_f32 = compute == Compute::f32 || is_float(weight);
  const LinearKernel* best = nullptr;
  for (const IsaRows* isa : all_isas()) {
    for (const LinearKernel& row : isa->linear) {
      const bool fits =
          row.weight == weight && row.phase == phase && (row.f32 != nullptr) == in_f32;
      if (fits && features.includes(row.needs)) best = &row;
    }
  }
  return best;
}

const RowKernel& select_rows(CpuFeatures features) {
  const RowKernel* best = nullptr;
  for (const IsaRows* isa : all_isas()) {
    for (const RowKernel& row : isa->rows) {
      if (features.includes(row.needs)) best = &row;
    }
  }
  return *best;  // the scalar row needs nothing
}

}  // namespace halfbyte
