// Rows of the AMX kernels.
#include "kernels/isa/amx/attention.h"
#include "kernels/isa/amx/linear.h"
#include "kernels/isa/amx/peak.h"
#include "kernels/isa_rows.h"

namespace halfbyte {

const IsaRows& amx_rows() {
  using enum CpuFeature;
  static const CpuFeatures needs =
      cpu_features({avx2, avx512, avx512vnni, avx512bf16, amx_int8, amx_bf16});
  static const std::vector<LinearKernel> linear =
      linear_kernels("amx", needs, {amx_bf16_rows(), amx_token_rows()});
  static const AttentionKernel attention[] = {{"amx", needs, Compute::bf16, amx_attention()}};
  static const std::vector<PeakKernel> peaks = peak_kernels(needs, amx_peak_rows());
  static const IsaRows isa = {"amx", 50, linear, {}, attention, peaks};
  return isa;
}

}  // namespace halfbyte
