// The vectors of the linear kernels: 16 outputs of 32 bits in a ZMM register. Included inside an
// anonymous namespace.

struct V {
  static constexpr int kLanes = 16;
  static constexpr bool kSigned8 = false;    // VPDPBUSD takes unsigned codes
  static constexpr int kTileRows = 8;        // rows that share each load of a code
  static constexpr int kHalvesTileRows = 8;  // the same where a group has two scales
  // Panels that a tile of rows meets at once. With two, 16 sums of products hide their latency;
  // those of groups are partly in memory.
  static constexpr int kTilePanels = 2;
  static constexpr int kDecodeSums = 16;  // in registers next to the codes of a group
  static constexpr int kFloatTileRows = 12;
  using Int = __m512i;
  using Float = __m512;

  static HALFBYTE_INLINE Int load(const std::byte* p) { return _mm512_loadu_si512(p); }
  static HALFBYTE_INLINE void store(std::byte* p, Int v) { _mm512_storeu_si512(p, v); }
  static HALFBYTE_INLINE Int mask(Int v, int byte) {
    return _mm512_and_si512(v, _mm512_set1_epi8(static_cast<char>(byte)));
  }
  // Left by N bits, right by -N, in lanes of 32 bits: the caller masks what crosses bytes.
  template <int N>
  static HALFBYTE_INLINE Int shift(Int v) {
    if constexpr (N == 0) return v;
    if constexpr (N > 0) return _mm512_slli_epi32(v, N);
    if constexpr (N < 0) return _mm512_srli_epi32(v, -N);
  }
  // a | (v & byte)
  static HALFBYTE_INLINE Int or_masked(Int a, Int v, int byte) {
    return _mm512_ternarylogic_epi32(a, v, _mm512_set1_epi8(static_cast<char>(byte)), 0xF8);
  }
  static HALFBYTE_INLINE Int from_unsigned(Int codes) { return codes; }
  // kLanes bytes, each in a lane of its own.
  static HALFBYTE_INLINE Int load_bytes(const std::byte* p) {
    return _mm512_cvtepu8_epi32(bytes(p));
  }
  // The lowest byte of each lane in all four.
  static HALFBYTE_INLINE Int spread_bytes(Int v) {
    const __m128i lowest = _mm_setr_epi8(0, 0, 0, 0, 4, 4, 4, 4, 8, 8, 8, 8, 12, 12, 12, 12);
    return _mm512_shuffle_epi8(v, _mm512_broadcast_i32x4(lowest));
  }
  // Of halves of lanes, modulo 2^16.
  static HALFBYTE_INLINE Int multiply_halves(Int a, Int b) { return _mm512_mullo_epi16(a, b); }
  static HALFBYTE_INLINE Int subtract_bytes(Int a, Int b) { return _mm512_sub_epi8(a, b); }
  static HALFBYTE_INLINE Int iq4_codes(Int nibbles) {
    const __m128i table = _mm_loadu_si128(reinterpret_cast<const __m128i*>(kIq4Codes));
    return _mm512_shuffle_epi8(_mm512_broadcast_i32x4(table), nibbles);
  }

  static HALFBYTE_INLINE Float zero() { return _mm512_setzero_ps(); }
  static HALFBYTE_INLINE Float broadcast(float f) { return _mm512_set1_ps(f); }
  static HALFBYTE_INLINE Float load_f32(const float* p) { return _mm512_loadu_ps(p); }
  static HALFBYTE_INLINE void store_f32(float* p, Float v) { _mm512_storeu_ps(p, v); }
  static HALFBYTE_INLINE Float load_some(const float* p, std::size_t count) {
    return _mm512_maskz_loadu_ps(lanes(count), p);
  }
  static HALFBYTE_INLINE void store_some(float* p, Float v, std::size_t count) {
    _mm512_mask_storeu_ps(p, lanes(count), v);
  }
  static HALFBYTE_INLINE Float load_halves(const std::byte* p) {
    return _mm512_cvtph_ps(_mm256_loadu_si256(reinterpret_cast<const __m256i*>(p)));
  }
  static HALFBYTE_INLINE Float load_bfloats(const std::byte* p) {
    const __m256i halves = _mm256_loadu_si256(reinterpret_cast<const __m256i*>(p));
    return _mm512_castsi512_ps(_mm512_slli_epi32(_mm512_cvtepu16_epi32(halves), 16));
  }
  static HALFBYTE_INLINE Float load_u8(const std::byte* p) {
    return _mm512_cvtepi32_ps(_mm512_cvtepu8_epi32(bytes(p)));
  }
  static HALFBYTE_INLINE Float load_i8(const std::byte* p) {
    return _mm512_cvtepi32_ps(_mm512_cvtepi8_epi32(bytes(p)));
  }
  static HALFBYTE_INLINE Float load_low_nibbles(const std::byte* p) {
    const Int lanes32 = _mm512_cvtepu8_epi32(bytes(p));
    return _mm512_cvtepi32_ps(_mm512_and_si512(lanes32, _mm512_set1_epi32(15)));
  }
  static HALFBYTE_INLINE Float load_high_nibbles(const std::byte* p) {
    return _mm512_cvtepi32_ps(_mm512_srli_epi32(_mm512_cvtepu8_epi32(bytes(p)), 4));
  }
  static HALFBYTE_INLINE Float mul(Float a, Float b) { return _mm512_mul_ps(a, b); }
  static HALFBYTE_INLINE Float sub(Float a, Float b) { return _mm512_sub_ps(a, b); }
  static HALFBYTE_INLINE Float negate(Float a) { return _mm512_xor_ps(a, _mm512_set1_ps(-0.0f)); }
  static HALFBYTE_INLINE Float multiply_add(Float a, Float b, Float c) {
    return _mm512_fmadd_ps(a, b, c);
  }
  static HALFBYTE_INLINE Float subtract_product(Float a, Float b, Float c) {
    return _mm512_fnmadd_ps(a, b, c);
  }
  static HALFBYTE_INLINE Int add_int(Int a, Int b) { return _mm512_add_epi32(a, b); }
  static HALFBYTE_INLINE Float to_float(Int v) { return _mm512_cvtepi32_ps(v); }
  static HALFBYTE_INLINE Int broadcast_int(const std::int32_t* p) { return _mm512_set1_epi32(*p); }
  // Byte I of each lane, less `offset`.
  template <int I, bool /*Eight*/>
  static HALFBYTE_INLINE Float code_to_float(Int codes, int offset) {
    const Int code = _mm512_and_si512(shift<-8 * I>(codes), _mm512_set1_epi32(255));
    return _mm512_cvtepi32_ps(_mm512_sub_epi32(code, _mm512_set1_epi32(offset)));
  }

  // sum + the products of codes with the 4 inputs at x.
  template <int /*Bits*/>
  static HALFBYTE_INLINE Int dot(Int sum, Int codes, const std::int8_t* x) {
    std::int32_t four;
    std::memcpy(&four, x, sizeof(four));
    return _mm512_dpbusd_epi32(sum, codes, _mm512_set1_epi32(four));
  }

 private:
  static HALFBYTE_INLINE __mmask16 lanes(std::size_t count) {
    return static_cast<__mmask16>((1u << count) - 1u);
  }
  static HALFBYTE_INLINE __m128i bytes(const std::byte* p) {
    return _mm_loadu_si128(reinterpret_cast<const __m128i*>(p));
  }
};
