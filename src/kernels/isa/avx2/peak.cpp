// Peak loops: FMA, VPMADDUBSW as the integer kernels use it, 256-bit loads.
#include "kernels/isa/avx2/peak.h"

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

constexpr int kChains = 12;  // of 16 registers
constexpr int kRun = 8;      // products that are added up in 16 bits, as for 4-bit codes

double multiply_f32(std::uint64_t iterations, std::int8_t one) noexcept {
  const __m256 a = _mm256_set1_ps(static_cast<float>(one));
  return run_chains<kChains, 8, float>(
      iterations, _mm256_setzero_ps(),
      [&](__m256 sum) HALFBYTE_INLINE_LAMBDA { return _mm256_fmadd_ps(a, a, sum); },
      [](float* to, __m256 v) HALFBYTE_INLINE_LAMBDA { _mm256_storeu_ps(to, v); });
}

// Each product is new to the compiler, which would take it out of the loop.
HALFBYTE_INLINE __m256i products(__m256i a) {
  __asm__ volatile("" : "+x"(a));
  return _mm256_maddubs_epi16(a, a);
}

double multiply_int8(std::uint64_t iterations, std::int8_t one) noexcept {
  const __m256i a = _mm256_set1_epi8(one);
  const __m256i ones = _mm256_set1_epi16(one);
  return run_chains<4, 8, std::int32_t>(
      iterations, _mm256_setzero_si256(),
      [&](__m256i sum) HALFBYTE_INLINE_LAMBDA {
        __m256i pairs = products(a);
        unroll<kRun - 1>(
            [&](auto) HALFBYTE_INLINE_LAMBDA { pairs = _mm256_add_epi16(pairs, products(a)); });
        return _mm256_add_epi32(sum, _mm256_madd_epi16(pairs, ones));
      },
      [](std::int32_t* to, __m256i v)
          HALFBYTE_INLINE_LAMBDA { _mm256_storeu_si256(reinterpret_cast<__m256i*>(to), v); });
}

std::uint64_t read(const std::byte* data, std::size_t bytes, bool far) noexcept {
  return read_all<32>(
      data, bytes, far, _mm256_setzero_si256(),
      [](const std::byte* p)
          HALFBYTE_INLINE_LAMBDA { return _mm256_load_si256(reinterpret_cast<const __m256i*>(p)); },
      [](__m256i a, __m256i b) HALFBYTE_INLINE_LAMBDA { return _mm256_xor_si256(a, b); },
      [](std::uint64_t* to, __m256i v)
          HALFBYTE_INLINE_LAMBDA { _mm256_storeu_si256(reinterpret_cast<__m256i*>(to), v); });
}

constexpr PeakRow kPeaks[] = {
    {"avx2.peak_f32", PeakKind::f32, kChains * 8 * 2, multiply_f32, nullptr},
    {"avx2.peak_int8", PeakKind::int8, 4 * kRun * 32 * 2, multiply_int8, nullptr},
    {"avx2.peak_read", PeakKind::read, 0, nullptr, read},
};

}  // namespace

PeakRows avx2_peak_rows() {
  return {kPeaks, sizeof(kPeaks) / sizeof(kPeaks[0])};
}

}  // namespace halfbyte
