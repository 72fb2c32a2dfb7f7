// Rows of the AVX2 kernels.
#include "kernels/isa/avx2/attention.h"
#include "kernels/isa/avx2/dense.h"
#include "kernels/isa/avx2/linear.h"
#include "kernels/isa/avx2/peak.h"
#include "kernels/isa/avx2/row_ops.h"
#include "kernels/isa_rows.h"

namespace halfbyte {

const IsaRows& avx2_rows() {
  using enum CpuFeature;
  static const CpuFeatures needs = cpu_features({avx2});
  static const std::vector<LinearKernel> linear = linear_kernels(
      "avx2", needs, {avx2_int8_rows(), avx2_token_rows(), avx2_f32_rows()}, avx2_stream_rows());
  static const RowKernel rows[] = {{"avx2", needs, avx2_row_ops()}};
  static const AttentionKernel attention[] = {{"avx2", needs, Compute::f32, avx2_attention()}};
  static const std::vector<PeakKernel> peaks = peak_kernels(needs, avx2_peak_rows());
  static const DenseKernel dense[] = {{"avx2", needs, Compute::f32, avx2_dense_multiply}};
  static const IsaRows isa = {"avx2", 10, linear, rows, attention, peaks, dense};
  return isa;
}

}  // namespace halfbyte
