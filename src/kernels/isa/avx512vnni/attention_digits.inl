// Numbers of 24 bits in three digits of 8, whose products with the codes of q8_0 are summed
// exactly: what is lost is what f32 loses. Included in an anonymous namespace, after vec.h.

using Words = __m512i;  // 16 x 32 bits

constexpr std::size_t kQuad = 4;       // keys or dimensions whose products one lane sums
constexpr std::size_t kQuadWords = 4;  // three digits of a quad and a word to spare
constexpr int kDigits = 3;             // high to low

inline Words as_words(Vec v) {
  return _mm512_castps_si512(v);
}
inline Words set1_word(const float* p) {
  std::int32_t word = 0;
  std::memcpy(&word, p, sizeof word);
  return _mm512_set1_epi32(word);
}
// The largest magnitude, infinity or NaN if there is one.
inline float reduce_magnitude(Words bits) {
  return _mm_cvtss_f32(
      _mm_castsi128_ps(_mm_cvtsi32_si128(static_cast<int>(_mm512_reduce_max_epu32(bits)))));
}
inline Words magnitudes(Vec v) {
  return as_words(abs(v));
}

// The three low bytes of each lane, four lanes a quad: its high bytes, its middle ones, its low
// ones, zeros.
inline Words quads_of_digits(Words numbers) {
  const Words order = _mm512_set4_epi32(-1, 0x0C080400, 0x0D090501, 0x0E0A0602);
  return _mm512_maskz_shuffle_epi8(0x0FFF0FFF0FFF0FFF, numbers, order);
}
// The numbers that sums over each digit make, rounded.
inline Vec join_digits(const Words (&sums)[kDigits]) {
  const Words high = _mm512_add_epi32(_mm512_slli_epi32(sums[0], 8), sums[1]);
  return fma(_mm512_cvtepi32_ps(high), set1(256.0f), _mm512_cvtepi32_ps(sums[2]));
}
