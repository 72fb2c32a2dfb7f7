// Rows of the AVX-512 VNNI kernels.
#include "kernels/isa/avx512vnni/attention.h"
#include "kernels/isa/avx512vnni/dense.h"
#include "kernels/isa/avx512vnni/linear.h"
#include "kernels/isa/avx512vnni/peak.h"
#include "kernels/isa/avx512vnni/row_ops.h"
#include "kernels/isa_rows.h"

namespace halfbyte {

const IsaRows& avx512vnni_rows() {
  using enum CpuFeature;
  static const CpuFeatures needs = cpu_features({avx2, avx512, avx512vnni});
  static const std::vector<LinearKernel> linear = linear_kernels(
      "avx512vnni", needs, {avx512vnni_int8_rows(), avx512vnni_token_rows(), avx512vnni_f32_rows()},
      avx512vnni_stream_rows());
  static const RowKernel rows[] = {{"avx512vnni", needs, avx512vnni_row_ops()}};
  static const AttentionKernel attention[] = {
      {"avx512vnni", needs, Compute::f32, avx512vnni_attention()}};
  static const std::vector<PeakKernel> peaks = peak_kernels(needs, avx512vnni_peak_rows());
  static const DenseKernel dense[] = {
      {"avx512vnni", needs, Compute::f32, avx512vnni_dense_multiply}};
  static const IsaRows isa = {"avx512vnni", 30, linear, rows, attention, peaks, dense};
  return isa;
}

}  // namespace halfbyte
