// The vectors of the linear kernels: 8 outputs of 32 bits in a YMM register (AVX2, FMA, F16C).
// Included inside an anonymous namespace. The struct that derives from it brings `dot`.

struct Vector256 {
  static constexpr int kLanes = 8;
  static constexpr int kTileRows = 8;    // rows that share each load of a code
  static constexpr int kTilePanels = 1;  // that a tile of rows meets at once
  static constexpr int kDecodeSums = 8;  // in registers next to the codes of a group
  static constexpr int kFloatTileRows = 6;
  using Int = __m256i;
  using Float = __m256;

  static HALFBYTE_INLINE Int load(const std::byte* p) {
    return _mm256_loadu_si256(reinterpret_cast<const __m256i*>(p));
  }
  static HALFBYTE_INLINE void store(std::byte* p, Int v) {
    _mm256_storeu_si256(reinterpret_cast<__m256i*>(p), v);
  }
  static HALFBYTE_INLINE Int mask(Int v, int byte) {
    return _mm256_and_si256(v, _mm256_set1_epi8(static_cast<char>(byte)));
  }
  // Left by N bits, right by -N, in lanes of 32 bits: the caller masks what crosses bytes.
  template <int N>
  static HALFBYTE_INLINE Int shift(Int v) {
    if constexpr (N == 0) return v;
    if constexpr (N > 0) return _mm256_slli_epi32(v, N);
    if constexpr (N < 0) return _mm256_srli_epi32(v, -N);
  }
  // a | (v & byte)
  static HALFBYTE_INLINE Int or_masked(Int a, Int v, int byte) {
    return _mm256_or_si256(a, mask(v, byte));
  }
  static HALFBYTE_INLINE Int flip_high_bits(Int codes) {
    return _mm256_xor_si256(codes, _mm256_set1_epi8(static_cast<char>(0x80)));
  }
  // kLanes bytes, each in a lane of its own.
  static HALFBYTE_INLINE Int load_bytes(const std::byte* p) {
    return _mm256_cvtepu8_epi32(bytes(p));
  }
  // The lowest byte of each lane in all four.
  static HALFBYTE_INLINE Int spread_bytes(Int v) {
    const __m128i lowest = _mm_setr_epi8(0, 0, 0, 0, 4, 4, 4, 4, 8, 8, 8, 8, 12, 12, 12, 12);
    return _mm256_shuffle_epi8(v, _mm256_broadcastsi128_si256(lowest));
  }
  // Of halves of lanes, modulo 2^16.
  static HALFBYTE_INLINE Int multiply_halves(Int a, Int b) { return _mm256_mullo_epi16(a, b); }
  static HALFBYTE_INLINE Int subtract_bytes(Int a, Int b) { return _mm256_sub_epi8(a, b); }
  static HALFBYTE_INLINE Int lookup_iq4(Int nibbles) {
    const __m128i table = _mm_loadu_si128(reinterpret_cast<const __m128i*>(kIq4Codes));
    return _mm256_shuffle_epi8(_mm256_broadcastsi128_si256(table), nibbles);
  }

  static HALFBYTE_INLINE Float zero() { return _mm256_setzero_ps(); }
  static HALFBYTE_INLINE Float broadcast(float f) { return _mm256_set1_ps(f); }
  static HALFBYTE_INLINE Float load_f32(const float* p) { return _mm256_loadu_ps(p); }
  static HALFBYTE_INLINE void store_f32(float* p, Float v) { _mm256_storeu_ps(p, v); }
  static HALFBYTE_INLINE Float load_some(const float* p, std::size_t count) {
    return _mm256_maskload_ps(p, lanes(count));
  }
  static HALFBYTE_INLINE void store_some(float* p, Float v, std::size_t count) {
    _mm256_maskstore_ps(p, lanes(count), v);
  }
  static HALFBYTE_INLINE Float load_halves(const std::byte* p) {
    return _mm256_cvtph_ps(_mm_loadu_si128(reinterpret_cast<const __m128i*>(p)));
  }
  static HALFBYTE_INLINE Float load_bfloats(const std::byte* p) {
    const __m128i halves = _mm_loadu_si128(reinterpret_cast<const __m128i*>(p));
    return _mm256_castsi256_ps(_mm256_slli_epi32(_mm256_cvtepu16_epi32(halves), 16));
  }
  static HALFBYTE_INLINE Float load_u8(const std::byte* p) {
    return _mm256_cvtepi32_ps(_mm256_cvtepu8_epi32(bytes(p)));
  }
  static HALFBYTE_INLINE Float load_i8(const std::byte* p) {
    return _mm256_cvtepi32_ps(_mm256_cvtepi8_epi32(bytes(p)));
  }
  static HALFBYTE_INLINE Float load_low_nibbles(const std::byte* p) {
    const Int lanes32 = _mm256_cvtepu8_epi32(bytes(p));
    return _mm256_cvtepi32_ps(_mm256_and_si256(lanes32, _mm256_set1_epi32(15)));
  }
  static HALFBYTE_INLINE Float load_high_nibbles(const std::byte* p) {
    return _mm256_cvtepi32_ps(_mm256_srli_epi32(_mm256_cvtepu8_epi32(bytes(p)), 4));
  }
  static HALFBYTE_INLINE Float mul(Float a, Float b) { return _mm256_mul_ps(a, b); }
  static HALFBYTE_INLINE Float sub(Float a, Float b) { return _mm256_sub_ps(a, b); }
  static HALFBYTE_INLINE Float negate(Float a) { return _mm256_xor_ps(a, _mm256_set1_ps(-0.0f)); }
  static HALFBYTE_INLINE Float multiply_add(Float a, Float b, Float c) {
    return _mm256_fmadd_ps(a, b, c);
  }
  static HALFBYTE_INLINE Float subtract_product(Float a, Float b, Float c) {
    return _mm256_fnmadd_ps(a, b, c);
  }
  static HALFBYTE_INLINE Int add_int(Int a, Int b) { return _mm256_add_epi32(a, b); }
  static HALFBYTE_INLINE Float to_float(Int v) { return _mm256_cvtepi32_ps(v); }
  static HALFBYTE_INLINE Int broadcast_int(const std::int32_t* p) { return _mm256_set1_epi32(*p); }
  // Byte I of each lane, less `offset`.
  template <int I, bool Signed>
  static HALFBYTE_INLINE Float byte_to_float(Int codes, int offset) {
    const Int top = shift<24 - 8 * I>(codes);
    const Int code = Signed ? _mm256_srai_epi32(top, 24) : _mm256_srli_epi32(top, 24);
    return _mm256_cvtepi32_ps(_mm256_sub_epi32(code, _mm256_set1_epi32(offset)));
  }
  // 4 inputs for all lanes.
  static HALFBYTE_INLINE Int broadcast_step(const std::int8_t* x) {
    std::int32_t four;
    std::memcpy(&four, x, sizeof(four));
    return _mm256_set1_epi32(four);
  }

 private:
  static HALFBYTE_INLINE Int lanes(std::size_t count) {
    const Int index = _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7);
    return _mm256_cmpgt_epi32(_mm256_set1_epi32(static_cast<int>(count)), index);
  }
  static HALFBYTE_INLINE __m128i bytes(const std::byte* p) {
    return _mm_loadl_epi64(reinterpret_cast<const __m128i*>(p));
  }
};
