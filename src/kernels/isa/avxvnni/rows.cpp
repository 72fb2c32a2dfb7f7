// Rows of the 256-bit VNNI kernels.
#include "kernels/isa/avxvnni/linear.h"
#include "kernels/isa/avxvnni/peak.h"
#include "kernels/isa_rows.h"

namespace halfbyte {

const IsaRows& avxvnni_rows() {
  using enum CpuFeature;
  static const CpuFeatures needs = cpu_features({avx2, avxvnni});
  static const std::vector<LinearKernel> linear = linear_kernels(
      "avxvnni", needs, {avxvnni_int8_rows(), avxvnni_token_rows()}, avxvnni_stream_rows());
  static const std::vector<PeakKernel> peaks = peak_kernels(needs, avxvnni_peak_rows());
  static const IsaRows isa = {"avxvnni", 20, linear, {}, {}, peaks};
  return isa;
}

}  // namespace halfbyte
