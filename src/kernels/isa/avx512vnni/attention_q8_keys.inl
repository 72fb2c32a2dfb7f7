// Scores with keys in q8_0: VPDPBUSD on the codes as they are and the digits of queries. Included
// in an anonymous namespace, after generic/attention_cache.inl and attention_digits.inl.

constexpr float kLargestQuery = 8355e3f;  // below 0x7F7F7F, so that digits are signed bytes
constexpr float kSmallestQuery = 1e-30f;  // below, queries are 0: their inverse must be finite

// Digits of a query in its place, a quad of dimensions after the other. The words to spare hold, in
// the first three quads of a block, what makes up for codes that are moved up by 128, and in the
// fourth the scale.
void prepare_query(float* query, std::size_t dim) noexcept {
  Words bits = _mm512_setzero_si512();
  for (std::size_t d = 0; d < dim; d += kLanes)
    bits = _mm512_max_epu32(bits, magnitudes(load(query + d)));
  const float top = reduce_magnitude(bits);
  const float inverse = top < kSmallestQuery ? 0.0f : kLargestQuery / top;
  // Not finite: NaN.
  const float scale = top < kSmallestQuery ? 0.0f : top / kLargestQuery + (top - top);
  const Words middle = _mm512_set1_epi32(0x808080);
  for (std::size_t d = 0; d < dim; d += kQ8Block) {
    Words digits[2];
    Words sums = _mm512_setzero_si512();
    for (std::size_t i = 0; i < 2; ++i) {
      const Words number = _mm512_cvtps_epi32(mul(load(query + d + i * kLanes), set1(inverse)));
      digits[i] = quads_of_digits(_mm512_xor_si512(_mm512_add_epi32(number, middle), middle));
      sums = _mm512_dpbusd_epi32(sums, _mm512_set1_epi8(1), digits[i]);
    }
    sums = _mm512_add_epi32(sums, _mm512_shuffle_i32x4(sums, sums, 0x4E));
    sums = _mm512_add_epi32(sums, _mm512_shuffle_i32x4(sums, sums, 0xB1));
    const Words spare = _mm512_slli_epi32(_mm512_sub_epi32(_mm512_setzero_si512(), sums), 7);
    const Words order = _mm512_set_epi32(0, 0, 0, 0, 2, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0);
    digits[0] = _mm512_mask_permutexvar_epi32(digits[0], 0x0888, order, spare);
    digits[0] = _mm512_mask_mov_epi32(digits[0], 0x8000, as_words(set1(scale)));
    for (std::size_t i = 0; i < 2; ++i) _mm512_storeu_si512(query + d + i * kLanes, digits[i]);
  }
}

// Four quads of four rows a lane: a block of the codes of rows `row` and + 4.
inline Words load_two_rows(const std::byte* codes, std::size_t stride, std::size_t row) {
  const auto part = [&](std::size_t i) {
    return _mm256_loadu_si256(reinterpret_cast<const __m256i*>(codes + i * stride));
  };
  return _mm512_inserti64x4(_mm512_castsi256_si512(part(row)), part(row + 4), 1);
}
// Quads 0-3 and 4-7 of rows [row, row + 4), then of the next four: quads[i] has i and i + 4.
HALFBYTE_INLINE void load_eight_rows(const std::byte* codes, std::size_t stride, std::size_t row,
                                     Words (&quads)[4]) {
  const Words r0 = load_two_rows(codes, stride, row);
  const Words r1 = load_two_rows(codes, stride, row + 1);
  const Words r2 = load_two_rows(codes, stride, row + 2);
  const Words r3 = load_two_rows(codes, stride, row + 3);
  const Words a = _mm512_unpacklo_epi32(r0, r1);
  const Words b = _mm512_unpacklo_epi32(r2, r3);
  const Words c = _mm512_unpackhi_epi32(r0, r1);
  const Words d = _mm512_unpackhi_epi32(r2, r3);
  quads[0] = _mm512_unpacklo_epi64(a, b);
  quads[1] = _mm512_unpackhi_epi64(a, b);
  quads[2] = _mm512_unpacklo_epi64(c, d);
  quads[3] = _mm512_unpackhi_epi64(c, d);
}
// A block of the codes of kLanes keys, moved up by 128, a quad of dimensions in each vector.
HALFBYTE_INLINE void load_quads(const std::byte* block, std::size_t stride, Words (&quads)[8]) {
  Words low[4];
  Words high[4];
  load_eight_rows(block + 2, stride, 0, low);
  load_eight_rows(block + 2, stride, 8, high);
  const Words up = _mm512_set1_epi8(INT8_MIN);
  unroll<4>([&](auto i) HALFBYTE_INLINE_LAMBDA {
    quads[i] = _mm512_xor_si512(_mm512_shuffle_i32x4(low[i], high[i], 0x88), up);
    quads[i + 4] = _mm512_xor_si512(_mm512_shuffle_i32x4(low[i], high[i], 0xDD), up);
  });
}

// Products of a block of a query with that of kLanes keys, without scales.
HALFBYTE_INLINE Vec multiply_block(const float* query, const Words (&quads)[8]) {
  Words sums[kDigits];
  unroll<kDigits>([&](auto digit) HALFBYTE_INLINE_LAMBDA {
    sums[digit] = set1_word(query + kQuadWords * digit + kDigits);
  });
  unroll<8>([&](auto i) HALFBYTE_INLINE_LAMBDA {
    unroll<kDigits>([&](auto digit) HALFBYTE_INLINE_LAMBDA {
      const Words word = set1_word(query + kQuadWords * i + digit);
      sums[digit] = _mm512_dpbusd_epi32(sums[digit], quads[i], word);
    });
  });
  return join_digits(sums);
}

// Products of R queries (`dim` floats apart) with kLanes keys; asks on the way for memory at `next`
// if that is not nullptr, `step` bytes with each block.
template <std::size_t R>
HALFBYTE_INLINE void score_codes(const KeyRows& keys, const float* queries, std::size_t dim,
                                 const std::byte* next, std::size_t step, float* scores) {
  Vec sums[R];
  unroll<R>([&](auto r) HALFBYTE_INLINE_LAMBDA { sums[r] = set1(0.0f); });
  const std::byte* block = keys.data;
  const float* const end = queries + dim;
  for (const float* q = queries; q < end; q += kQ8Block, block += kQ8BlockBytes) {
    if (next != nullptr) {
      prefetch_span(next, step);
      next += step;
    }
    Words quads[8];
    load_quads(block, keys.stride, quads);
    const Vec scale = gather_halves(block, keys.stride);
    unroll<R>([&](auto r) HALFBYTE_INLINE_LAMBDA {
      sums[r] = fma(multiply_block(q + r * dim, quads), scale, sums[r]);
    });
  }
  unroll<R>([&](auto r) HALFBYTE_INLINE_LAMBDA {
    const float scale = queries[r * dim + kQuadWords * kDigits + kDigits];
    store(scores + r * kKeyTile, mul(sums[r], set1(scale)));
  });
}

// As score_tile.
template <std::size_t R>
void score_code_tile(const Tile& tile, const float* queries, std::size_t dim, float* staging,
                     float* scores) noexcept {
  const AttentionArgs& args = tile.args;
  const std::size_t step = kLanes * args.keys.position_stride * kQ8Block / dim;
  for (std::size_t i = tile.range.begin / kLanes * kLanes; i < tile.range.end; i += kLanes) {
    const bool more = tile.first + i + kKeyTile < args.length;
    const std::byte* const next = more ? tile.key(i + kKeyTile) : nullptr;
    score_codes<R>(key_rows<Q8Row>(tile, i, staging), queries, dim, next, step, scores + i);
  }
}
constexpr ScoreTile kScoreCodes[kMaxRowTile] = {
    score_code_tile<1>, score_code_tile<2>, score_code_tile<3>, score_code_tile<4>,
    score_code_tile<5>, score_code_tile<6>, score_code_tile<7>, score_code_tile<8>};
