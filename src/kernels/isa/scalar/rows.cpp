// Rows of the scalar reference kernels. They need nothing, so every weight type has a kernel.
#include "kernels/isa/scalar/row_ops.h"
#include "kernels/reference/linear.h"
#include "kernels/registry.h"

namespace halfbyte {

#define HALFBYTE_F32(type, phase)                                                            \
  LinearKernel{"scalar." #type "." #phase, "scalar", {}, DType::type, Phase::phase, nullptr, \
               reference_linear_f32},
#define HALFBYTE_INT8(type, phase)                                                  \
  LinearKernel{"scalar." #type "." #phase, "scalar", {}, DType::type, Phase::phase, \
               reference_linear_int8,      nullptr},                                \
      LinearKernel{"scalar." #type ".f32." #phase,                                  \
                   "scalar",                                                        \
                   {},                                                              \
                   DType::type,                                                     \
                   Phase::phase,                                                    \
                   nullptr,                                                         \
                   reference_linear_f32},
#define HALFBYTE_QUANTIZED(type) HALFBYTE_INT8(type, decode) HALFBYTE_INT8(type, prefill)
#define HALFBYTE_FLOAT(type) HALFBYTE_F32(type, decode) HALFBYTE_F32(type, prefill)

const IsaRows& scalar_rows() {
  static const LinearKernel linear[] = {
#include "kernels/quantized_types.inc"
      HALFBYTE_FLOAT(f32) HALFBYTE_FLOAT(f16) HALFBYTE_FLOAT(bf16)};
  static const RowKernel rows[] = {{"scalar", {}, scalar_row_ops()}};
  static const IsaRows isa = {"scalar", 0, linear, rows};
  return isa;
}

}  // namespace halfbyte
