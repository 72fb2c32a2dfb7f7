// Peak loops: FMA and VPDPBUSD on 512 bits, 512-bit loads.
#include "kernels/isa/avx512vnni/peak.h"

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

double multiply_f32(std::uint64_t iterations, std::int8_t one) noexcept {
  const __m512 a = _mm512_set1_ps(static_cast<float>(one));
  return run_chains<kChains, 16, float>(
      iterations, _mm512_setzero_ps(),
      [&](__m512 sum) HALFBYTE_INLINE_LAMBDA { return _mm512_fmadd_ps(a, a, sum); },
      [](float* to, __m512 v) HALFBYTE_INLINE_LAMBDA { _mm512_storeu_ps(to, v); });
}

double multiply_int8(std::uint64_t iterations, std::int8_t one) noexcept {
  const __m512i a = _mm512_set1_epi8(one);
  return run_chains<kChains, 16, std::int32_t>(
      iterations, _mm512_setzero_si512(),
      [&](__m512i sum) HALFBYTE_INLINE_LAMBDA { return _mm512_dpbusd_epi32(sum, a, a); },
      [](std::int32_t* to, __m512i v) HALFBYTE_INLINE_LAMBDA { _mm512_storeu_si512(to, v); });
}

std::uint64_t read(const std::byte* data, std::size_t bytes, bool far) noexcept {
  return read_all<64>(
      data, bytes, far, _mm512_setzero_si512(),
      [](const std::byte* p) HALFBYTE_INLINE_LAMBDA { return _mm512_load_si512(p); },
      [](__m512i a, __m512i b) HALFBYTE_INLINE_LAMBDA { return _mm512_xor_si512(a, b); },
      [](std::uint64_t* to, __m512i v) HALFBYTE_INLINE_LAMBDA { _mm512_storeu_si512(to, v); });
}

constexpr PeakRow kPeaks[] = {
    {"avx512vnni.peak_f32", PeakKind::f32, kChains * 16 * 2, multiply_f32, nullptr},
    {"avx512vnni.peak_int8", PeakKind::int8, kChains * 64 * 2, multiply_int8, nullptr},
    {"avx512vnni.peak_read", PeakKind::read, 0, nullptr, read},
};

}  // namespace

PeakRows avx512vnni_peak_rows() {
  return {kPeaks, sizeof(kPeaks) / sizeof(kPeaks[0])};
}

}  // namespace halfbyte
