// The vector vocabulary of kernels/generic in AVX2 with FMA and F16C: 8 lanes of f32.
//
// Everything here is internal to the object that includes it, and it uses nothing that is compiled
// elsewhere: the linker must never keep this file's copy of a shared function for other CPUs.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>

#include <immintrin.h>

namespace halfbyte {
namespace {

using Vec = __m256;
using Mask = __m256;  // all bits of a lane, or none
constexpr std::size_t kLanes = 8;
constexpr std::size_t kRowTile = 6;  // rows that a matrix product has in registers
constexpr std::size_t kSums = 12;    // sums that fit the 16 registers beside its operands

inline Vec load(const float* p) {
  return _mm256_loadu_ps(p);
}
inline void store(float* p, Vec v) {
  _mm256_storeu_ps(p, v);
}
inline Vec set1(float x) {
  return _mm256_set1_ps(x);
}
inline Vec add(Vec a, Vec b) {
  return _mm256_add_ps(a, b);
}
inline Vec sub(Vec a, Vec b) {
  return _mm256_sub_ps(a, b);
}
inline Vec mul(Vec a, Vec b) {
  return _mm256_mul_ps(a, b);
}
inline Vec div(Vec a, Vec b) {
  return _mm256_div_ps(a, b);
}
// a * b + c; c - a * b; even lanes a * b - c, odd lanes a * b + c.
inline Vec fma(Vec a, Vec b, Vec c) {
  return _mm256_fmadd_ps(a, b, c);
}
inline Vec fnma(Vec a, Vec b, Vec c) {
  return _mm256_fnmadd_ps(a, b, c);
}
inline Vec fma_subtract_even(Vec a, Vec b, Vec c) {
  return _mm256_fmaddsub_ps(a, b, c);
}
// Both give b where either is NaN.
inline Vec max(Vec a, Vec b) {
  return _mm256_max_ps(a, b);
}
inline Vec min(Vec a, Vec b) {
  return _mm256_min_ps(a, b);
}
inline Vec abs(Vec a) {
  return _mm256_andnot_ps(_mm256_set1_ps(-0.0f), a);
}
inline Vec copy_sign(Vec magnitude, Vec sign) {
  return _mm256_or_ps(magnitude, _mm256_and_ps(_mm256_set1_ps(-0.0f), sign));
}
inline Vec round_even(Vec a) {
  return _mm256_round_ps(a, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC);
}
inline Vec power_of_two(__m256i n) {
  return _mm256_castsi256_ps(_mm256_slli_epi32(_mm256_add_epi32(n, _mm256_set1_epi32(127)), 23));
}
// x * 2^n for an integral n in [-126, 127].
inline Vec times_power(Vec x, Vec n) {
  return mul(x, power_of_two(_mm256_cvtps_epi32(n)));
}
// The same for n up to 250: in two steps, since 2^128 is no f32.
inline Vec times_large_power(Vec x, Vec n) {
  const __m256i whole = _mm256_cvtps_epi32(n);
  const __m256i part = _mm256_srai_epi32(whole, 1);
  return mul(mul(x, power_of_two(part)), power_of_two(_mm256_sub_epi32(whole, part)));
}

// Lanes [begin, end), begin <= end <= kLanes.
inline Mask lanes(std::size_t begin, std::size_t end) {
  const __m256i lane = _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7);
  const __m256i below = _mm256_cmpgt_epi32(_mm256_set1_epi32(static_cast<int>(begin)), lane);
  const __m256i inside = _mm256_cmpgt_epi32(_mm256_set1_epi32(static_cast<int>(end)), lane);
  return _mm256_castsi256_ps(_mm256_andnot_si256(below, inside));
}
inline Mask less(Vec a, Vec b) {
  return _mm256_cmp_ps(a, b, _CMP_LT_OQ);
}
inline Mask is_nan(Vec a) {
  return _mm256_cmp_ps(a, a, _CMP_UNORD_Q);
}
inline Mask either(Mask a, Mask b) {
  return _mm256_or_ps(a, b);
}
inline bool any(Mask m) {
  return _mm256_movemask_ps(m) != 0;
}
inline Vec select(Mask m, Vec yes, Vec no) {
  return _mm256_blendv_ps(no, yes, m);
}
// Touches only the memory of the lanes in the mask; the others are 0.
inline Vec load_lanes(const float* p, Mask m) {
  return _mm256_maskload_ps(p, _mm256_castps_si256(m));
}
inline Vec load_first(const float* p, std::size_t n) {
  return load_lanes(p, lanes(0, n));
}
inline void store_first(float* p, Vec v, std::size_t n) {
  _mm256_maskstore_ps(p, _mm256_castps_si256(lanes(0, n)), v);
}

inline float reduce_max(Vec v) {
  __m128 m = _mm_max_ps(_mm256_castps256_ps128(v), _mm256_extractf128_ps(v, 1));
  m = _mm_max_ps(m, _mm_movehl_ps(m, m));
  return _mm_cvtss_f32(_mm_max_ss(m, _mm_movehdup_ps(m)));
}
inline float reduce_add(Vec v) {
  __m128 s = _mm_add_ps(_mm256_castps256_ps128(v), _mm256_extractf128_ps(v, 1));
  s = _mm_add_ps(s, _mm_movehl_ps(s, s));
  return _mm_cvtss_f32(_mm_add_ss(s, _mm_movehdup_ps(s)));
}

// Sums of many terms, in f64.
struct Sum {
  __m256d low = _mm256_setzero_pd();
  __m256d high = _mm256_setzero_pd();
};
inline __m256d low_half(Vec v) {
  return _mm256_cvtps_pd(_mm256_castps256_ps128(v));
}
inline __m256d high_half(Vec v) {
  return _mm256_cvtps_pd(_mm256_extractf128_ps(v, 1));
}
inline void sum_add(Sum& sum, Vec v) {
  sum.low = _mm256_add_pd(sum.low, low_half(v));
  sum.high = _mm256_add_pd(sum.high, high_half(v));
}
inline void sum_add_square(Sum& sum, Vec v) {
  sum.low = _mm256_fmadd_pd(low_half(v), low_half(v), sum.low);
  sum.high = _mm256_fmadd_pd(high_half(v), high_half(v), sum.high);
}
inline double total(const Sum& sum) {
  const __m256d both = _mm256_add_pd(sum.low, sum.high);
  const __m128d s = _mm_add_pd(_mm256_castpd256_pd128(both), _mm256_extractf128_pd(both, 1));
  return _mm_cvtsd_f64(_mm_add_sd(s, _mm_unpackhi_pd(s, s)));
}
inline double root(double x) {
  return _mm_cvtsd_f64(_mm_sqrt_sd(_mm_setzero_pd(), _mm_set_sd(x)));
}

// kLanes halves; the conversion rounds to nearest even.
inline Vec load_half(const std::byte* p) {
  return _mm256_cvtph_ps(_mm_loadu_si128(reinterpret_cast<const __m128i*>(p)));
}
inline void store_half(std::byte* p, Vec v) {
  _mm_storeu_si128(reinterpret_cast<__m128i*>(p),
                   _mm256_cvtps_ph(v, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC));
}
// kLanes bfloat16, rounded to nearest even; NaN becomes quiet.
inline void store_words(std::uint16_t* p, Vec v) {
  const __m256i bits = _mm256_castps_si256(v);
  const __m256i high = _mm256_srli_epi32(bits, 16);
  const __m256i even = _mm256_and_si256(high, _mm256_set1_epi32(1));
  const __m256i half = _mm256_add_epi32(even, _mm256_set1_epi32(0x7FFF));
  const __m256i rounded = _mm256_srli_epi32(_mm256_add_epi32(bits, half), 16);
  const __m256i quiet = _mm256_or_si256(high, _mm256_set1_epi32(0x40));
  const __m256i words = _mm256_blendv_epi8(rounded, quiet, _mm256_castps_si256(is_nan(v)));
  _mm_storeu_si128(
      reinterpret_cast<__m128i*>(p),
      _mm_packus_epi32(_mm256_castsi256_si128(words), _mm256_extracti128_si256(words, 1)));
}
// One half in all lanes.
inline Vec broadcast_half(const std::byte* p) {
  std::uint16_t bits = 0;
  std::memcpy(&bits, p, sizeof bits);
  return _mm256_cvtph_ps(_mm_set1_epi16(static_cast<short>(bits)));
}
// kLanes signed bytes.
inline Vec load_int8(const std::byte* p) {
  return _mm256_cvtepi32_ps(
      _mm256_cvtepi8_epi32(_mm_loadl_epi64(reinterpret_cast<const __m128i*>(p))));
}

// Each of kLanes / 2 floats twice: p0 p0 p1 p1 ...
inline Vec load_twice(const float* p) {
  const __m256i index = _mm256_setr_epi32(0, 0, 1, 1, 2, 2, 3, 3);
  return _mm256_permutevar8x32_ps(_mm256_castps128_ps256(_mm_loadu_ps(p)), index);
}
inline Vec swap_pairs(Vec v) {
  return _mm256_permute_ps(v, 0xB1);
}

// The largest magnitude among 32 floats as its bits: NaN > infinity > finite.
inline std::uint32_t max_magnitude_bits32(const float* x) {
  const __m256i a = _mm256_castps_si256(abs(load(x)));
  const __m256i b = _mm256_castps_si256(abs(load(x + 8)));
  const __m256i c = _mm256_castps_si256(abs(load(x + 16)));
  const __m256i d = _mm256_castps_si256(abs(load(x + 24)));
  const __m256i m = _mm256_max_epu32(_mm256_max_epu32(a, b), _mm256_max_epu32(c, d));
  __m128i n = _mm_max_epu32(_mm256_castsi256_si128(m), _mm256_extracti128_si256(m, 1));
  n = _mm_max_epu32(n, _mm_shuffle_epi32(n, 0x4E));
  n = _mm_max_epu32(n, _mm_shuffle_epi32(n, 0xB1));
  return static_cast<std::uint32_t>(_mm_cvtsi128_si32(n));
}
// codes[32] = x * inverse rounded to nearest even.
inline void quantize32(const float* x, float inverse, std::int8_t* codes) {
  const Vec factor = set1(inverse);
  const __m256i a = _mm256_cvtps_epi32(mul(load(x), factor));
  const __m256i b = _mm256_cvtps_epi32(mul(load(x + 8), factor));
  const __m256i c = _mm256_cvtps_epi32(mul(load(x + 16), factor));
  const __m256i d = _mm256_cvtps_epi32(mul(load(x + 24), factor));
  const __m256i packed = _mm256_packs_epi16(_mm256_packs_epi32(a, b), _mm256_packs_epi32(c, d));
  // Packing works in each half: undo the order a0 b0 c0 d0 a1 b1 c1 d1 (4 codes each).
  const __m256i order = _mm256_setr_epi32(0, 4, 1, 5, 2, 6, 3, 7);
  _mm256_storeu_si256(reinterpret_cast<__m256i*>(codes),
                      _mm256_permutevar8x32_epi32(packed, order));
}
// Sum of 16 codes: the CPU sums unsigned bytes, so they are moved up by 128 first.
inline std::int32_t sum_codes16(const std::int8_t* codes) {
  const __m128i bytes = _mm_xor_si128(_mm_loadu_si128(reinterpret_cast<const __m128i*>(codes)),
                                      _mm_set1_epi8(INT8_MIN));
  const __m128i sums = _mm_sad_epu8(bytes, _mm_setzero_si128());
  return _mm_cvtsi128_si32(sums) + _mm_extract_epi16(sums, 4) - 16 * 128;
}

// Row `row` of a 4 x 8 part: 4 x 32 bits of rows `row` and + 4 side by side.
inline Vec two_rows(const std::byte* rows, std::size_t stride, std::size_t row) {
  const auto part = [&](std::size_t i) {
    return _mm_loadu_ps(reinterpret_cast<const float*>(rows + i * stride));
  };
  return _mm256_insertf128_ps(_mm256_castps128_ps256(part(row)), part(row + 4), 1);
}
// columns[i][row] = 32 bits number i of kLanes rows, `stride` bytes apart. Loading halves to their
// lanes leaves only two thirds of the shuffles of a transposition in registers.
inline void load_columns(const std::byte* rows, std::size_t stride, Vec (&columns)[4]) {
  const Vec r0 = two_rows(rows, stride, 0);
  const Vec r1 = two_rows(rows, stride, 1);
  const Vec r2 = two_rows(rows, stride, 2);
  const Vec r3 = two_rows(rows, stride, 3);
  const __m256d a = _mm256_castps_pd(_mm256_unpacklo_ps(r0, r1));
  const __m256d b = _mm256_castps_pd(_mm256_unpacklo_ps(r2, r3));
  const __m256d c = _mm256_castps_pd(_mm256_unpackhi_ps(r0, r1));
  const __m256d d = _mm256_castps_pd(_mm256_unpackhi_ps(r2, r3));
  columns[0] = _mm256_castpd_ps(_mm256_unpacklo_pd(a, b));
  columns[1] = _mm256_castpd_ps(_mm256_unpackhi_pd(a, b));
  columns[2] = _mm256_castpd_ps(_mm256_unpacklo_pd(c, d));
  columns[3] = _mm256_castpd_ps(_mm256_unpackhi_pd(c, d));
}
// The two halves of every lane.
inline void split_halves(Vec pairs, Vec (&v)[2]) {
  const __m256i order = _mm256_setr_epi8(0, 1, 4, 5, 8, 9, 12, 13, 2, 3, 6, 7, 10, 11, 14, 15,  //
                                         0, 1, 4, 5, 8, 9, 12, 13, 2, 3, 6, 7, 10, 11, 14, 15);
  const __m256i sorted = _mm256_permute4x64_epi64(
      _mm256_shuffle_epi8(_mm256_castps_si256(pairs), order), _MM_SHUFFLE(3, 1, 2, 0));
  v[0] = _mm256_cvtph_ps(_mm256_castsi256_si128(sorted));
  v[1] = _mm256_cvtph_ps(_mm256_extracti128_si256(sorted, 1));
}
// The four signed bytes of every lane, each in units of kByteUnit: one shuffle and no shifts.
constexpr float kByteUnit = 0x1p-24f;
inline void split_bytes(Vec quads, Vec (&v)[4]) {
  const __m256i q = _mm256_castps_si256(quads);
  const auto to_top = [&](int byte) {
    const int r0 = byte << 24 | 0x808080;
    const int r1 = (byte + 4) << 24 | 0x808080;
    const int r2 = (byte + 8) << 24 | 0x808080;
    const int r3 = (byte + 12) << 24 | 0x808080;
    const __m256i order = _mm256_setr_epi32(r0, r1, r2, r3, r0, r1, r2, r3);
    return _mm256_cvtepi32_ps(_mm256_shuffle_epi8(q, order));
  };
  for (int i = 0; i < 4; ++i) v[i] = to_top(i);
}
// The halves at the start of kLanes rows, `stride` bytes apart.
inline Vec gather_halves(const std::byte* rows, std::size_t stride) {
  const auto half = [&](std::size_t i) {
    std::int16_t bits = 0;
    std::memcpy(&bits, rows + i * stride, sizeof bits);
    return bits;
  };
  __m128i v = _mm_cvtsi32_si128(half(0));
  v = _mm_insert_epi16(v, half(1), 1);
  v = _mm_insert_epi16(v, half(2), 2);
  v = _mm_insert_epi16(v, half(3), 3);
  v = _mm_insert_epi16(v, half(4), 4);
  v = _mm_insert_epi16(v, half(5), 5);
  v = _mm_insert_epi16(v, half(6), 6);
  return _mm256_cvtph_ps(_mm_insert_epi16(v, half(7), 7));
}

}  // namespace
}  // namespace halfbyte
