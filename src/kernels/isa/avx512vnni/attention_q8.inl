// Attention with q8_0 caches in integers: VPDPBUSD on the codes as they are. Included in an
// anonymous namespace, after generic/attention_cache.inl and generic/unroll.inl.
//
// The other factor of a product, a query or the weights of a tile, is a number of 24 bits relative
// to its largest, in three digits of 8 bits: what is lost is what f32 loses. Sums of products of
// codes and digits are exact, so that nothing depends on their order; scales of blocks come last.

using Words = __m512i;  // 16 x 32 bits

constexpr std::size_t kQuad = 4;          // keys or dimensions whose products one lane sums
constexpr std::size_t kQuadWords = 4;     // three digits of a quad and a word to spare
constexpr int kDigits = 3;                // high to low
constexpr float kLargestQuery = 8355e3f;  // below 0x7F7F7F, so that digits are signed bytes
constexpr float kLargestWeight = 16770e3f;  // below 2^24
constexpr float kSmallestQuery = 1e-30f;    // below, queries are 0: their inverse must be finite

inline Words as_words(Vec v) {
  return _mm512_castps_si512(v);
}
inline Words load_words(const float* p) {
  return _mm512_loadu_si512(p);
}
inline Words set1_word(const float* p) {
  std::int32_t word = 0;
  std::memcpy(&word, p, sizeof word);
  return _mm512_set1_epi32(word);
}
// sums + products of bytes, unsigned, and those of one word, signed. g++ 12 would broadcast the word
// with an instruction of its own.
inline void add_products(Words& sums, Words bytes, const float* word) {
  asm("vpdpbusd %2%{1to16%}, %1, %0" : "+v"(sums) : "v"(bytes), "m"(*word));
}
// The largest magnitude, infinity or NaN if there is one.
inline float reduce_magnitude(Words bits) {
  return _mm_cvtss_f32(
      _mm_castsi128_ps(_mm_cvtsi32_si128(static_cast<int>(_mm512_reduce_max_epu32(bits)))));
}
inline Words magnitudes(Vec v) {
  return as_words(abs(v));
}

// The three low bytes of each lane, four lanes a quad: its high bytes, its middle ones, its low ones,
// zeros.
inline Words quads_of_digits(Words numbers) {
  const Words order = _mm512_set4_epi32(-1, 0x0C080400, 0x0D090501, 0x0E0A0602);
  return _mm512_maskz_shuffle_epi8(0x0FFF0FFF0FFF0FFF, numbers, order);
}
// The numbers that sums over each digit make, rounded.
inline Vec join_digits(const Words (&sums)[kDigits]) {
  const Words high = _mm512_add_epi32(_mm512_slli_epi32(sums[0], 8), sums[1]);
  return fma(_mm512_cvtepi32_ps(high), set1(256.0f), _mm512_cvtepi32_ps(sums[2]));
}

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
      add_products(sums[digit], quads[i], query + kQuadWords * i + digit);
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

// Scales of a block of the values [i, i + kLanes) of the tile, zeros for keys outside its range and
// hidden ones: a NaN there must not reach anyone.
inline Vec value_scales(const Tile& tile, std::size_t block, std::size_t i) {
  const std::size_t offset = block * kQ8BlockBytes;
  const bool whole = i >= tile.range.begin && i + kLanes <= tile.range.end;
  if (whole && tile.args.key_mask == nullptr)
    return gather_halves(tile.value(i) + offset, tile.args.values.position_stride);
  std::byte scales[kLanes * 2] = {};
  for (std::size_t key = larger(i, tile.range.begin); key < smaller(i + kLanes, tile.range.end);
       ++key)
    if (!tile.hidden(key)) std::memcpy(scales + 2 * (key - i), tile.value(key) + offset, 2);
  return load_half(scales);
}

// Scales of a block of the values that some rows see, relative to the largest.
struct TileScales {
  Vec relative[kKeyTile / kLanes];  // weights times these are digits
  float unit;                       // what the lowest digit stands for
};
HALFBYTE_INLINE void set_scales(const Vec (&scales)[kKeyTile / kLanes], KeyRange seen,
                                TileScales& out) {
  Words bits = _mm512_setzero_si512();
  unroll<kKeyTile / kLanes>([&](auto v) HALFBYTE_INLINE_LAMBDA {
    out.relative[v] = select(seen_lanes(seen, v * kLanes), scales[v], set1(0.0f));
    bits = _mm512_max_epu32(bits, magnitudes(out.relative[v]));
  });
  const float top = reduce_magnitude(bits);
  out.unit = top / kLargestWeight;
  const Vec inverse = set1(top == 0.0f ? 0.0f : kLargestWeight / top);
  unroll<kKeyTile / kLanes>(
      [&](auto v) HALFBYTE_INLINE_LAMBDA { out.relative[v] = mul(out.relative[v], inverse); });
}

// Floats of what weigh_block makes.
constexpr std::size_t kUnits = kMaxRowTile * kKeyTile;
constexpr std::size_t kBlockWeights = kUnits + kMaxLanes;

// The weights of the step's rows, times the scales of a block, as digits [kMaxRowTile][kKeyTile];
// then [kMaxRowTile] what their lowest stand for.
void weigh_block(const Worker& w, const Step& step, const Tile& tile, std::size_t block,
                 float* digits) {
  Vec scales[kKeyTile / kLanes];
  unroll<kKeyTile / kLanes>([&](auto v) HALFBYTE_INLINE_LAMBDA {
    const std::size_t i = v * kLanes;
    scales[v] = i >= step.begin() && i < step.end() ? value_scales(tile, block, i) : set1(0.0f);
  });
  TileScales rows;
  for (std::size_t r = 0; r < step.count; ++r) {
    const KeyRange seen = step.rows[r];
    if (r == 0 || seen.begin != step.rows[r - 1].begin || seen.end != step.rows[r - 1].end)
      set_scales(scales, seen, rows);
    digits[kUnits + r] = rows.unit;
    unroll<kKeyTile / kLanes>([&](auto v) HALFBYTE_INLINE_LAMBDA {
      const std::size_t i = r * kKeyTile + v * kLanes;
      const Words numbers = _mm512_cvtps_epi32(mul(load(w.scores + i), rows.relative[v]));
      _mm512_storeu_si512(digits + i, quads_of_digits(numbers));
    });
  }
}

// A block of the codes of four values, a quad of keys in each lane: channels 0-3, 16-19, 4-7, 20-23
// and 8-11, 24-27, 12-15, 28-31.
struct ValueQuads {
  Words first;
  Words second;
};
inline ValueQuads load_value_quads(const std::byte* k0, const std::byte* k1, const std::byte* k2,
                                   const std::byte* k3) {
  const auto codes = [](const std::byte* p) {
    return _mm256_loadu_si256(reinterpret_cast<const __m256i*>(p));
  };
  const __m256i a = _mm256_unpacklo_epi8(codes(k0), codes(k1));
  const __m256i b = _mm256_unpacklo_epi8(codes(k2), codes(k3));
  const __m256i c = _mm256_unpackhi_epi8(codes(k0), codes(k1));
  const __m256i d = _mm256_unpackhi_epi8(codes(k2), codes(k3));
  return {_mm512_inserti64x4(_mm512_castsi256_si512(_mm256_unpacklo_epi16(a, b)),
                             _mm256_unpackhi_epi16(a, b), 1),
          _mm512_inserti64x4(_mm512_castsi256_si512(_mm256_unpacklo_epi16(c, d)),
                             _mm256_unpackhi_epi16(c, d), 1)};
}

// A block of the values that some rows of a step see.
struct ValueBlock {
  const std::byte* codes;  // of the tile's first key
  std::size_t stride;
  std::size_t begin;  // keys
  std::size_t end;
  const std::byte* next;  // the same of the next tile, or nullptr
  std::size_t next_step;  // bytes to ask for with each quad
};

// Sums of R rows over each digit, of 32 channels.
template <std::size_t R>
struct GatherSums {
  Words first[R][kDigits];
  Words second[R][kDigits];

  HALFBYTE_INLINE GatherSums() {
    each([](Words& sum) HALFBYTE_INLINE_LAMBDA { sum = _mm512_setzero_si512(); });
  }
  template <class Fn>
  HALFBYTE_INLINE void each(const Fn& fn) {
    unroll<R * kDigits>([&](auto i) HALFBYTE_INLINE_LAMBDA {
      fn(first[i / kDigits][i % kDigits]);
      fn(second[i / kDigits][i % kDigits]);
    });
  }
  // digits: of the quad's weights, rows kKeyTile apart.
  HALFBYTE_INLINE void add(const ValueQuads& quads, const float* digits) {
    unroll<R * kDigits>([&](auto i) HALFBYTE_INLINE_LAMBDA {
      const Words weights = set1_word(digits + i / kDigits * kKeyTile + i % kDigits);
      Words& low = first[i / kDigits][i % kDigits];
      Words& high = second[i / kDigits][i % kDigits];
      low = _mm512_dpbusd_epi32(low, weights, quads.first);
      high = _mm512_dpbusd_epi32(high, weights, quads.second);
    });
    // g++ 12 would keep copies of them on the stack.
    each([](Words& sum) HALFBYTE_INLINE_LAMBDA { asm("" : "+v"(sum)); });
  }
};

// outputs = outputs * factors + weights * values, for R rows and a block of channels.
template <std::size_t R>
void gather_block(const ValueBlock& b, const float* digits, const float* units,
                  const float* factors, float* outputs, std::size_t stride) {
  GatherSums<R> sums;
  const std::byte* k = b.codes + b.begin * b.stride;
  std::size_t key = b.begin;
  for (; key + kQuad <= b.end; key += kQuad, k += kQuad * b.stride) {
    if (b.next != nullptr) prefetch_span(b.next + key / kQuad * b.next_step, b.next_step);
    sums.add(load_value_quads(k, k + b.stride, k + 2 * b.stride, k + 3 * b.stride), digits + key);
  }
  if (key < b.end) {  // what is missing has weight 0
    const std::byte* const last = b.codes + (b.end - 1) * b.stride;
    const std::byte* const middle = key + 2 < b.end ? k + b.stride : last;
    sums.add(load_value_quads(k, middle, last, last), digits + key);
  }
  unroll<R>([&](auto r) HALFBYTE_INLINE_LAMBDA {
    const Vec first = join_digits(sums.first[r]);
    const Vec second = join_digits(sums.second[r]);
    const Vec unit = set1(units[r]);
    const Vec factor = set1(factors[r]);
    const Vec low = _mm512_shuffle_f32x4(first, second, 0x88);
    const Vec high = _mm512_shuffle_f32x4(first, second, 0xDD);
    store(outputs, fma(low, unit, mul(factor, load(outputs))));
    store(outputs + kLanes, fma(high, unit, mul(factor, load(outputs + kLanes))));
    outputs += stride;
  });
}
using GatherBlock = void (*)(const ValueBlock&, const float*, const float*, const float*, float*,
                             std::size_t);
constexpr std::size_t kGatherRows = 4;  // whose sums fit the registers
constexpr GatherBlock kGatherBlock[kGatherRows] = {gather_block<1>, gather_block<2>,
                                                   gather_block<3>, gather_block<4>};

void gather_codes(const Worker& w, const Step& step, const Tile& tile, const float* factors,
                  const std::byte* next) noexcept {
  const std::size_t stride = w.args.values.position_stride;
  const std::size_t blocks = w.dim / kQ8Block;
  // Whole quads from the first on: what is not seen has weight 0.
  ValueBlock b{tile.value(0) + 2,    stride, step.begin(), step.range.end, next,
               kQuad * stride / blocks};
  // All weights first: theirs is a long chain of operations, that of a block hides another's.
  for (std::size_t block = 0; block < blocks; ++block)
    weigh_block(w, step, tile, block, w.values + block * kBlockWeights);
  for (std::size_t block = 0; block < blocks; ++block) {
    const float* const weights = w.values + block * kBlockWeights;
    for (std::size_t r = 0; r < step.count; r += kGatherRows) {
      float* const outputs = w.parts + (step.first + r) * w.part + block * kQ8Block;
      kGatherBlock[smaller(kGatherRows, step.count - r) - 1](
          b, weights + r * kKeyTile, weights + kUnits + r, factors + r, outputs, w.part);
    }
    b.codes += kQ8BlockBytes;
    if (next != nullptr) b.next += kKeyTile / kQuad * b.next_step;
  }
}

constexpr CacheType kQ8Cache = {nullptr,       nullptr, kScoreCodes, nullptr,
                                prepare_query, gather_codes};
