// What the bfloat16 kernels need of vectors beside `V` of avx512vnni/vector.inl. Included inside an
// anonymous namespace.

// Byte I of each lane as a float.
template <int I>
HALFBYTE_INLINE __m512 byte_to_float(__m512i codes) {
  const __m128i pick = _mm_set_epi32(
      static_cast<int>(0x80808000u) | (12 + I), static_cast<int>(0x80808000u) | (8 + I),
      static_cast<int>(0x80808000u) | (4 + I), static_cast<int>(0x80808000u) | I);
  return _mm512_cvtepi32_ps(_mm512_shuffle_epi8(codes, _mm512_broadcast_i32x4(pick)));
}

// dst[lane] = {even[lane], odd[lane]} rounded to nearest even.
HALFBYTE_INLINE void store_bf16_pairs(std::uint16_t* dst, __m512 even, __m512 odd) {
  const __m512i order = _mm512_set_epi16(31, 15, 30, 14, 29, 13, 28, 12, 27, 11, 26, 10, 25, 9, 24,
                                         8, 23, 7, 22, 6, 21, 5, 20, 4, 19, 3, 18, 2, 17, 1, 16, 0);
  const __m512bh words = _mm512_cvtne2ps_pbh(odd, even);
  __m512i bits;
  std::memcpy(&bits, &words, sizeof(bits));
  _mm512_storeu_si512(dst, _mm512_permutexvar_epi16(order, bits));
}

// dst[0..15] = v rounded to nearest even; returns that as floats.
HALFBYTE_INLINE __m512 store_rounded(std::uint16_t* dst, __m512 v) {
  const __m256bh words = _mm512_cvtneps_pbh(v);
  __m256i bits;
  std::memcpy(&bits, &words, sizeof(bits));
  _mm256_storeu_si256(reinterpret_cast<__m256i*>(dst), bits);
  return _mm512_castsi512_ps(_mm512_slli_epi32(_mm512_cvtepu16_epi32(bits), 16));
}
