// Sums of values in q8_0: VPDPBUSD on the codes as they are and the digits of the weights, times
// the scales of a block, of a tile. Included in an anonymous namespace, after
// attention_q8_keys.inl.

constexpr float kLargestWeight = 16770e3f;  // below 2^24

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
      if (v * kLanes < step.begin() || v * kLanes >= step.end()) return;
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
  ValueBlock b{tile.value(0) + 2, stride, step.begin(),
               step.range.end,    next,   kQuad * stride / blocks};
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

constexpr CacheType kQ8Cache = {nullptr, nullptr,       kScoreCodes,
                                nullptr, prepare_query, gather_codes};
