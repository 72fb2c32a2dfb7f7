// Peak loop: VDPBF16PS on 512 bits.
#include "kernels/isa/avx512bf16/peak.h"

#include <cstring>

#include <immintrin.h>

#include "kernels/generic/compiler.h"

namespace halfbyte {
namespace {

// Each needs those before it.
// clang-format off
#include "kernels/generic/unroll.inl"
#include "kernels/generic/peak.inl"
// clang-format on

constexpr int kChains = 24;  // of 32 registers

double multiply_bf16(std::uint64_t iterations, std::int8_t one) noexcept {
  const __m512 wide = _mm512_set1_ps(static_cast<float>(one));
  const __m512bh a = _mm512_cvtne2ps_pbh(wide, wide);
  return run_chains<kChains, 16, float>(
      iterations, _mm512_setzero_ps(),
      [&](__m512 sum) HALFBYTE_INLINE_LAMBDA { return _mm512_dpbf16_ps(sum, a, a); },
      [](float* to, __m512 v) HALFBYTE_INLINE_LAMBDA { _mm512_storeu_ps(to, v); });
}

constexpr PeakRow kPeaks[] = {
    {"avx512bf16.peak_bf16", PeakKind::bf16, kChains * 32 * 2, multiply_bf16, nullptr},
};

}  // namespace

PeakRows avx512bf16_peak_rows() {
  return {kPeaks, sizeof(kPeaks) / sizeof(kPeaks[0])};
}

}  // namespace halfbyte
