// Rows of the scalar reference kernels. They need nothing, so every weight type has a kernel.
#include "kernels/isa/scalar/peak.h"
#include "kernels/isa/scalar/row_ops.h"
#include "kernels/isa_rows.h"
#include "kernels/reference/dense.h"
#include "kernels/reference/linear.h"

namespace halfbyte {
namespace {

constexpr LinearRow kRows[] = {
#define HALFBYTE_F32(type, name)                                                 \
  {"scalar." name ".decode", DType::type, false, nullptr, reference_linear_f32}, \
      {"scalar." name ".prefill", DType::type, true, nullptr, reference_linear_f32},
#define HALFBYTE_QUANTIZED(type)                                                       \
  {"scalar." #type ".decode", DType::type, false, reference_linear_int8, nullptr},     \
      {"scalar." #type ".prefill", DType::type, true, reference_linear_int8, nullptr}, \
      HALFBYTE_F32(type, #type ".f32")
#include "kernels/quantized_types.inc"
#define HALFBYTE_ROW_SCALED(type, Codes)                                         \
  {"scalar." #type ".decode", DType::type, false, nullptr, nullptr, nullptr,     \
   reference_linear_token},                                                      \
      {"scalar." #type ".prefill", DType::type, true, nullptr, nullptr, nullptr, \
       reference_linear_token},                                                  \
      HALFBYTE_F32(type, #type ".f32")
#include "kernels/row_scaled_types.inc"
    HALFBYTE_F32(f32, "f32") HALFBYTE_F32(f16, "f16") HALFBYTE_F32(bf16, "bf16")};

}  // namespace

const IsaRows& scalar_rows() {
  static const std::vector<LinearKernel> linear =
      linear_kernels("scalar", {}, {{kRows, std::size(kRows)}});
  static const RowKernel rows[] = {{"scalar", {}, scalar_row_ops()}};
  static const AttentionKernel attention[] = {{"scalar", {}, Compute::f32, scalar_attention()}};
  static const std::vector<PeakKernel> peaks = peak_kernels({}, scalar_peak_rows());
  static const DenseKernel dense[] = {{"scalar", {}, Compute::f32, reference::dense_multiply}};
  static const IsaRows isa = {"scalar", 0, linear, rows, attention, peaks, dense};
  return isa;
}

}  // namespace halfbyte
