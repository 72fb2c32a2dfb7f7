// What the softmax of generic/attention_softmax_bf16.inl needs of vectors beside vec.inl. Included
// inside an anonymous namespace after words.inl. Nothing here but the multiply-adds takes turns
// with VDPBF16PS.

// 2^x within 9e-5 of it, for weights that are rounded to 2^-9: 2^0 is exactly 1, 2^-inf is 0, NaN
// stays NaN.
HALFBYTE_INLINE __m512 exp2_rough(__m512 x) {
  constexpr int kFloor = _MM_FROUND_TO_NEG_INF | _MM_FROUND_NO_EXC;
  const __m512 r = _mm512_reduce_ps(x, kFloor);  // x - floor(x)
  __m512 y = _mm512_fmadd_ps(_mm512_set1_ps(0.07706705f), r, _mm512_set1_ps(0.22764498f));
  y = _mm512_fmadd_ps(y, r, _mm512_set1_ps(0.69511679f));
  y = _mm512_fmadd_ps(y, r, _mm512_set1_ps(1.0f));
  return _mm512_scalef_ps(y, x);  // takes the floor itself
}

// dst[0..31] = {first, second} rounded to nearest even; returns sums + those, a pair to a lane.
HALFBYTE_INLINE __m512 store_weights(std::uint16_t* dst, __m512 first, __m512 second, __m512 sums) {
  const __m512bh words = _mm512_cvtne2ps_pbh(second, first);
  __m512i bits;
  std::memcpy(&bits, &words, sizeof(bits));
  _mm512_storeu_si512(dst, bits);
  const __m512i ones_bits = _mm512_set1_epi16(0x3F80);
  __m512bh ones;
  std::memcpy(&ones, &ones_bits, sizeof(ones));
  return _mm512_dpbf16_ps(sums, words, ones);
}

// Lane r = op over the lanes of rows[r], alike for every r; the other half of the lanes repeats
// them. A transposition on the way down, half of the shuffles of eight separate reductions.
template <typename Op>
HALFBYTE_INLINE __m512 reduce_rows(const __m512 (&rows)[8], const Op& op) {
  const auto halves = [&](__m512 a, __m512 b) HALFBYTE_INLINE_LAMBDA {  // a a b b
    return op(_mm512_shuffle_f32x4(a, b, 0x44), _mm512_shuffle_f32x4(a, b, 0xEE));
  };
  const auto quarters = [&](__m512 a, __m512 b) HALFBYTE_INLINE_LAMBDA {
    return op(_mm512_shuffle_f32x4(a, b, 0x88), _mm512_shuffle_f32x4(a, b, 0xDD));
  };
  const __m512 even = quarters(halves(rows[0], rows[2]), halves(rows[4], rows[6]));
  const __m512 odd = quarters(halves(rows[1], rows[3]), halves(rows[5], rows[7]));
  const __m512 pairs = op(_mm512_unpacklo_ps(even, odd), _mm512_unpackhi_ps(even, odd));
  const __m512 all = op(pairs, _mm512_permute_ps(pairs, 0x4E));
  const __m512i order = _mm512_setr_epi64(0, 2, 4, 6, 0, 2, 4, 6);
  return _mm512_castpd_ps(_mm512_permutexvar_pd(order, _mm512_castps_pd(all)));
}
