// The vector vocabulary of kernels/generic in AVX-512: 16 lanes of f32. Included inside an
// anonymous namespace, so that the linker never keeps a shared copy of it for other CPUs.

using Vec = __m512;
using Mask = __mmask16;
constexpr std::size_t kLanes = 16;
constexpr std::size_t kRowTile = 8;  // rows that a matrix product has in registers
constexpr std::size_t kSums = 16;    // sums that fit the 32 registers beside its operands

inline Vec load(const float* p) {
  return _mm512_loadu_ps(p);
}
inline void store(float* p, Vec v) {
  _mm512_storeu_ps(p, v);
}
inline Vec set1(float x) {
  return _mm512_set1_ps(x);
}
inline Vec add(Vec a, Vec b) {
  return _mm512_add_ps(a, b);
}
inline Vec sub(Vec a, Vec b) {
  return _mm512_sub_ps(a, b);
}
inline Vec mul(Vec a, Vec b) {
  return _mm512_mul_ps(a, b);
}
inline Vec div(Vec a, Vec b) {
  return _mm512_div_ps(a, b);
}
// a * b + c; c - a * b; even lanes a * b - c, odd lanes a * b + c.
inline Vec fma(Vec a, Vec b, Vec c) {
  return _mm512_fmadd_ps(a, b, c);
}
inline Vec fnma(Vec a, Vec b, Vec c) {
  return _mm512_fnmadd_ps(a, b, c);
}
inline Vec fma_subtract_even(Vec a, Vec b, Vec c) {
  return _mm512_fmaddsub_ps(a, b, c);
}
// Both give b where either is NaN.
inline Vec max(Vec a, Vec b) {
  return _mm512_max_ps(a, b);
}
inline Vec min(Vec a, Vec b) {
  return _mm512_min_ps(a, b);
}
inline Vec abs(Vec a) {
  return _mm512_abs_ps(a);
}
inline Vec copy_sign(Vec magnitude, Vec sign) {
  const __m512i mask = _mm512_set1_epi32(INT32_MIN);
  return _mm512_castsi512_ps(_mm512_ternarylogic_epi32(mask, _mm512_castps_si512(sign),
                                                       _mm512_castps_si512(magnitude), 0xCA));
}
inline Vec round_even(Vec a) {
  return _mm512_roundscale_ps(a, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC);
}
// x * 2^n for an integral n in [-126, 127].
inline Vec times_power(Vec x, Vec n) {
  return _mm512_scalef_ps(x, n);
}
// The same for n up to 250.
inline Vec times_large_power(Vec x, Vec n) {
  return _mm512_scalef_ps(x, n);
}

// Lanes [begin, end), begin <= end <= kLanes.
inline Mask lanes(std::size_t begin, std::size_t end) {
  return static_cast<Mask>(((1u << end) - 1u) & ~((1u << begin) - 1u));
}
inline Mask less(Vec a, Vec b) {
  return _mm512_cmp_ps_mask(a, b, _CMP_LT_OQ);
}
inline Mask is_nan(Vec a) {
  return _mm512_cmp_ps_mask(a, a, _CMP_UNORD_Q);
}
inline Mask either(Mask a, Mask b) {
  return static_cast<Mask>(a | b);
}
inline bool any(Mask m) {
  return m != 0;
}
inline Vec select(Mask m, Vec yes, Vec no) {
  return _mm512_mask_blend_ps(m, no, yes);
}
// Touches only the memory of the lanes in the mask; the others are 0.
inline Vec load_lanes(const float* p, Mask m) {
  return _mm512_maskz_loadu_ps(m, p);
}
inline Vec load_first(const float* p, std::size_t n) {
  return _mm512_maskz_loadu_ps(lanes(0, n), p);
}
inline void store_first(float* p, Vec v, std::size_t n) {
  _mm512_mask_storeu_ps(p, lanes(0, n), v);
}

inline float reduce_max(Vec v) {
  return _mm512_reduce_max_ps(v);
}
inline float reduce_add(Vec v) {
  return _mm512_reduce_add_ps(v);
}

// Sums of many terms, in f64.
struct Sum {
  __m512d low = _mm512_setzero_pd();
  __m512d high = _mm512_setzero_pd();
};
inline __m512d low_half(Vec v) {
  return _mm512_cvtps_pd(_mm512_castps512_ps256(v));
}
inline __m512d high_half(Vec v) {
  return _mm512_cvtps_pd(_mm512_extractf32x8_ps(v, 1));
}
inline void sum_add(Sum& sum, Vec v) {
  sum.low = _mm512_add_pd(sum.low, low_half(v));
  sum.high = _mm512_add_pd(sum.high, high_half(v));
}
inline void sum_add_square(Sum& sum, Vec v) {
  sum.low = _mm512_fmadd_pd(low_half(v), low_half(v), sum.low);
  sum.high = _mm512_fmadd_pd(high_half(v), high_half(v), sum.high);
}
inline double total(const Sum& sum) {
  return _mm512_reduce_add_pd(_mm512_add_pd(sum.low, sum.high));
}
inline double root(double x) {
  return _mm_cvtsd_f64(_mm_sqrt_sd(_mm_setzero_pd(), _mm_set_sd(x)));
}

// kLanes halves; the conversion rounds to nearest even.
inline Vec load_half(const std::byte* p) {
  return _mm512_cvtph_ps(_mm256_loadu_si256(reinterpret_cast<const __m256i*>(p)));
}
inline void store_half(std::byte* p, Vec v) {
  _mm256_storeu_si256(reinterpret_cast<__m256i*>(p),
                      _mm512_cvtps_ph(v, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC));
}
// kLanes bfloat16, rounded to nearest even; NaN becomes quiet.
inline void store_words(std::uint16_t* p, Vec v) {
  const __m512i bits = _mm512_castps_si512(v);
  const __m512i high = _mm512_srli_epi32(bits, 16);
  const __m512i even = _mm512_and_epi32(high, _mm512_set1_epi32(1));
  const __m512i half = _mm512_add_epi32(even, _mm512_set1_epi32(0x7FFF));
  __m512i words = _mm512_srli_epi32(_mm512_add_epi32(bits, half), 16);
  words = _mm512_mask_or_epi32(words, is_nan(v), high, _mm512_set1_epi32(0x40));
  _mm256_storeu_si256(reinterpret_cast<__m256i*>(p), _mm512_cvtepi32_epi16(words));
}
// One half in all lanes.
inline Vec broadcast_half(const std::byte* p) {
  std::uint16_t bits = 0;
  std::memcpy(&bits, p, sizeof bits);
  return _mm512_cvtph_ps(_mm256_set1_epi16(static_cast<short>(bits)));
}
// kLanes signed bytes.
inline Vec load_int8(const std::byte* p) {
  return _mm512_cvtepi32_ps(
      _mm512_cvtepi8_epi32(_mm_loadu_si128(reinterpret_cast<const __m128i*>(p))));
}

// Each of kLanes / 2 floats twice: p0 p0 p1 p1 ...
inline Vec load_twice(const float* p) {
  const __m512i index = _mm512_setr_epi32(0, 0, 1, 1, 2, 2, 3, 3, 4, 4, 5, 5, 6, 6, 7, 7);
  return _mm512_permutexvar_ps(index, _mm512_castps256_ps512(_mm256_loadu_ps(p)));
}
inline Vec swap_pairs(Vec v) {
  return _mm512_permute_ps(v, 0xB1);
}

// The largest magnitude among 32 floats as its bits: NaN > infinity > finite.
inline std::uint32_t max_magnitude_bits32(const float* x) {
  const __m512i magnitude = _mm512_set1_epi32(INT32_MAX);
  const __m512i a = _mm512_and_epi32(_mm512_castps_si512(load(x)), magnitude);
  const __m512i b = _mm512_and_epi32(_mm512_castps_si512(load(x + 16)), magnitude);
  return _mm512_reduce_max_epu32(_mm512_max_epu32(a, b));
}
// codes[32] = x * inverse rounded to nearest even.
inline void quantize32(const float* x, float inverse, std::int8_t* codes) {
  for (std::size_t i = 0; i < 32; i += 16) {
    const __m512i code = _mm512_cvtps_epi32(mul(load(x + i), set1(inverse)));
    _mm_storeu_si128(reinterpret_cast<__m128i*>(codes + i), _mm512_cvtepi32_epi8(code));
  }
}
// Sum of 16 codes: the CPU sums unsigned bytes, so they are moved up by 128 first.
inline std::int32_t sum_codes16(const std::int8_t* codes) {
  const __m128i bytes = _mm_xor_si128(_mm_loadu_si128(reinterpret_cast<const __m128i*>(codes)),
                                      _mm_set1_epi8(INT8_MIN));
  const __m128i sums = _mm_sad_epu8(bytes, _mm_setzero_si128());
  return _mm_cvtsi128_si32(sums) + _mm_extract_epi16(sums, 4) - 16 * 128;
}

// 4 x 32 bits of 4 rows, `stride` bytes apart, side by side.
inline Vec load_quarters(const std::byte* rows, std::size_t stride) {
  const auto part = [&](std::size_t i) {
    return _mm_loadu_ps(reinterpret_cast<const float*>(rows + i * stride));
  };
  Vec v = _mm512_castps128_ps512(part(0));
  v = _mm512_mask_broadcast_f32x4(v, 0x00F0, part(1));
  v = _mm512_mask_broadcast_f32x4(v, 0x0F00, part(2));
  return _mm512_mask_broadcast_f32x4(v, 0xF000, part(3));
}
// columns[i][row] = 32 bits number i of kLanes rows, `stride` bytes apart. Loading quarters to
// their lanes leaves only half of the shuffles of a transposition in registers.
inline void load_columns(const std::byte* rows, std::size_t stride, Vec (&columns)[4]) {
  const std::size_t apart = 4 * stride;
  const Vec r0 = load_quarters(rows, apart);
  const Vec r1 = load_quarters(rows + stride, apart);
  const Vec r2 = load_quarters(rows + 2 * stride, apart);
  const Vec r3 = load_quarters(rows + 3 * stride, apart);
  const __m512d a = _mm512_castps_pd(_mm512_unpacklo_ps(r0, r1));
  const __m512d b = _mm512_castps_pd(_mm512_unpacklo_ps(r2, r3));
  const __m512d c = _mm512_castps_pd(_mm512_unpackhi_ps(r0, r1));
  const __m512d d = _mm512_castps_pd(_mm512_unpackhi_ps(r2, r3));
  columns[0] = _mm512_castpd_ps(_mm512_unpacklo_pd(a, b));
  columns[1] = _mm512_castpd_ps(_mm512_unpackhi_pd(a, b));
  columns[2] = _mm512_castpd_ps(_mm512_unpacklo_pd(c, d));
  columns[3] = _mm512_castpd_ps(_mm512_unpackhi_pd(c, d));
}
// The two halves of every lane.
inline void split_halves(Vec pairs, Vec (&v)[2]) {
  const __m512i order = _mm512_set_epi16(31, 29, 27, 25, 23, 21, 19, 17, 15, 13, 11, 9, 7, 5, 3, 1,
                                         30, 28, 26, 24, 22, 20, 18, 16, 14, 12, 10, 8, 6, 4, 2, 0);
  const __m512i sorted = _mm512_permutexvar_epi16(order, _mm512_castps_si512(pairs));
  v[0] = _mm512_cvtph_ps(_mm512_castsi512_si256(sorted));
  v[1] = _mm512_cvtph_ps(_mm512_extracti64x4_epi64(sorted, 1));
}
// The four signed bytes of every lane, each in units of kByteUnit: one shuffle and no shifts.
constexpr float kByteUnit = 0x1p-24f;
inline void split_bytes(Vec quads, Vec (&v)[4]) {
  const __m512i q = _mm512_castps_si512(quads);
  const auto to_top = [&](int byte) {
    const __m512i order =
        _mm512_set4_epi32((byte + 12) << 24 | 0x808080, (byte + 8) << 24 | 0x808080,
                          (byte + 4) << 24 | 0x808080, byte << 24 | 0x808080);
    return _mm512_cvtepi32_ps(_mm512_shuffle_epi8(q, order));
  };
  for (int i = 0; i < 4; ++i) v[i] = to_top(i);
}
// The halves at the start of kLanes rows, `stride` bytes apart.
HALFBYTE_INLINE __m128i gather_eight_halves(const std::byte* rows, std::size_t stride) {
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
  return _mm_insert_epi16(v, half(7), 7);
}
HALFBYTE_INLINE Vec gather_halves(const std::byte* rows, std::size_t stride) {
  return _mm512_cvtph_ps(_mm256_set_m128i(gather_eight_halves(rows + 8 * stride, stride),
                                          gather_eight_halves(rows, stride)));
}
