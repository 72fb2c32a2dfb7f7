// Rows of the AVX-512 BF16 kernels.
#include "kernels/isa/avx512bf16/attention.h"
#include "kernels/isa/avx512bf16/dense.h"
#include "kernels/isa/avx512bf16/linear.h"
#include "kernels/isa/avx512bf16/peak.h"
#include "kernels/isa_rows.h"

namespace halfbyte {

const IsaRows& avx512bf16_rows() {
  using enum CpuFeature;
  static const CpuFeatures needs = cpu_features({avx2, avx512, avx512vnni, avx512bf16});
  static const std::vector<LinearKernel> linear =
      linear_kernels("avx512bf16", needs, {avx512bf16_bf16_rows()});
  static const AttentionKernel attention[] = {
      {"avx512bf16", needs, Compute::bf16, avx512bf16_attention()}};
  static const std::vector<PeakKernel> peaks = peak_kernels(needs, avx512bf16_peak_rows());
  static const DenseKernel dense[] = {
      {"avx512bf16", needs, Compute::bf16, avx512bf16_dense_multiply}};
  static const IsaRows isa = {"avx512bf16", 40, linear, {}, attention, peaks, dense};
  return isa;
}

}  // namespace halfbyte
