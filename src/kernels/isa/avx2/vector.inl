// Dot products without VNNI: VPMADDUBSW sums pairs of products in 16 bits, so only as many are
// added up as fit. Included inside an anonymous namespace, after isa/avx2/vector_256.inl.

struct V : Vector256 {
  static constexpr bool kSigned8 = true;

  static HALFBYTE_INLINE Int from_unsigned(Int codes) { return flip_high_bits(codes); }
  static HALFBYTE_INLINE Int iq4_codes(Int nibbles) { return flip_high_bits(lookup_iq4(nibbles)); }
  template <int I, bool Eight>
  static HALFBYTE_INLINE Float code_to_float(Int codes, int offset) {
    return byte_to_float<I, Eight>(codes, offset);
  }

  // Steps whose 16-bit sums can be added: 2 * (2^bits - 1) * 127 each, 32767 in all. 8-bit codes
  // are signed: |code| <= 128 times the input with the code's sign is at most 2 * 128 * 127.
  template <int Bits>
  static constexpr int kRun = Bits <= 4   ? 8
                              : Bits == 5 ? 4
                              : Bits == 6 ? 2
                                          : 1;

  // sum + the products of steps [First, First + Count) with the inputs x[32].
  template <int Bits, int First, int Count>
  static HALFBYTE_INLINE Int dot(Int sum, const Int* codes, const std::int8_t* x) {
    constexpr int run = kRun<Bits> < Count ? kRun<Bits> : Count;
    unroll<Count / run>([&](auto j) HALFBYTE_INLINE_LAMBDA {
      Int pairs = _mm256_setzero_si256();
      unroll<run>([&](auto i) HALFBYTE_INLINE_LAMBDA {
        constexpr int step = First + decltype(j)::value * run + decltype(i)::value;
        const Int products = multiply<Bits>(codes[step], broadcast_step(x + 4 * step));
        pairs = decltype(i)::value == 0 ? products : _mm256_add_epi16(pairs, products);
      });
      sum = _mm256_add_epi32(sum, _mm256_madd_epi16(pairs, _mm256_set1_epi16(1)));
    });
    return sum;
  }

 private:
  template <int Bits>
  static HALFBYTE_INLINE Int multiply(Int codes, Int x) {
    if constexpr (Bits < 8) return _mm256_maddubs_epi16(codes, x);
    return _mm256_maddubs_epi16(_mm256_abs_epi8(codes), _mm256_sign_epi8(x, codes));
  }
};
