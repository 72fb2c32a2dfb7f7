// Dot products by VPDPBUSD on 256 bits, with the VEX encoding of client CPUs. Included inside an
// anonymous namespace, after isa/avx2/vector_256.inl.

struct V : Vector256 {
  static constexpr bool kSigned8 = false;
  static constexpr int kHalvesTileRows = 4;  // rows where a group has two scales

  static HALFBYTE_INLINE Int from_unsigned(Int codes) { return codes; }
  static HALFBYTE_INLINE Int iq4_codes(Int nibbles) { return lookup_iq4(nibbles); }
  template <int I, bool /*Eight*/>
  static HALFBYTE_INLINE Float code_to_float(Int codes, int offset) {
    return byte_to_float<I, false>(codes, offset);
  }

  // As in isa/avx512vnni/vector.inl.
  template <int /*Bits*/>
  static HALFBYTE_INLINE Int dot(Int sum, Int codes, const std::int8_t* x) {
    return _mm256_dpbusd_avx_epi32(sum, codes, broadcast_step(x));
  }
};
