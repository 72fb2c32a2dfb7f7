// Peak loop: VPDPBUSD on 256 bits.
#include "kernels/isa/avxvnni/peak.h"

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

constexpr int kChains = 12;

double multiply_int8(std::uint64_t iterations, std::int8_t one) noexcept {
  const __m256i a = _mm256_set1_epi8(one);
  return run_chains<kChains, 8, std::int32_t>(
      iterations, _mm256_setzero_si256(),
      [&](__m256i sum) HALFBYTE_INLINE_LAMBDA { return _mm256_dpbusd_avx_epi32(sum, a, a); },
      [](std::int32_t* to, __m256i v)
          HALFBYTE_INLINE_LAMBDA { _mm256_storeu_si256(reinterpret_cast<__m256i*>(to), v); });
}

constexpr PeakRow kPeaks[] = {
    {"avxvnni.peak_int8", PeakKind::int8, kChains * 32 * 2, multiply_int8, nullptr},
};

}  // namespace

PeakRows avxvnni_peak_rows() {
  return {kPeaks, sizeof(kPeaks) / sizeof(kPeaks[0])};
}

}  // namespace halfbyte
