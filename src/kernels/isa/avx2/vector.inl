// Dot products without VNNI: VPMADDUBSW sums pairs of products in 16 bits, so only as many are
// added up as fit. Included inside an anonymous namespace, after isa/avx2/vector_256.inl.

struct V : Vector256 {
  static constexpr bool kSigned8 = true;
  static constexpr int kHalvesTileRows = 8;  // the same where a group has two scales

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

  // sum + the products of codes with the 4 inputs at x.
  template <int Bits>
  static HALFBYTE_INLINE Int dot(Int sum, Int codes, const std::int8_t* x) {
    return add_int(sum, add_pairs(multiply<Bits>(codes, x)));
  }

  // The products of codes with the 4 inputs at x, in pairs: sums of 16 bits.
  template <int Bits>
  static HALFBYTE_INLINE Int multiply(Int codes, const std::int8_t* x) {
    const Int inputs = broadcast_step(x);
    if constexpr (Bits < 8) return _mm256_maddubs_epi16(codes, inputs);
    return _mm256_maddubs_epi16(_mm256_abs_epi8(codes), _mm256_sign_epi8(inputs, codes));
  }
  static HALFBYTE_INLINE Int add_pairs(Int pairs) {
    return _mm256_madd_epi16(pairs, _mm256_set1_epi16(1));
  }
};
