// A tile of cached keys and values as f32 matrices, over the vocabulary of an ISA's vec.h.
// Included in an anonymous namespace, after generic/attention_product.inl.

inline Vec load_half_some(const std::byte* p, std::size_t n) {
  if (n >= kLanes) return load_half(p);
  std::byte rest[kLanes * 2] = {};
  std::memcpy(rest, p, n * 2);
  return load_half(rest);
}

// Decoders of cached rows. bytes: what n values take. get: the values from i on, of which `left`
// exist, then zeros. for_columns: take(j, values [i + j] of kLanes rows, `stride` bytes apart) for
// j in [0, kColumns); as many exist.
struct F32Row {
  static constexpr std::size_t kColumns = 4;
  static constexpr std::size_t bytes(std::size_t n) { return 4 * n; }
  static Vec get(const std::byte* row, std::size_t i, std::size_t left) {
    const auto* floats = reinterpret_cast<const float*>(row) + i;
    return left >= kLanes ? load(floats) : load_first(floats, left);
  }
  template <class Take>
  static void for_columns(const std::byte* rows, std::size_t stride, std::size_t i,
                          const Take& take) {
    Vec columns[4];
    load_columns(rows + i * sizeof(float), stride, columns);
    for (std::size_t j = 0; j < 4; ++j) take(j, columns[j]);
  }
};
struct F16Row {
  static constexpr std::size_t kColumns = 8;
  static constexpr std::size_t bytes(std::size_t n) { return 2 * n; }
  static Vec get(const std::byte* row, std::size_t i, std::size_t left) {
    return load_half_some(row + 2 * i, left);
  }
  template <class Take>
  static void for_columns(const std::byte* rows, std::size_t stride, std::size_t i,
                          const Take& take) {
    Vec columns[4];
    Vec halves[2];
    load_columns(rows + i * 2, stride, columns);
    for (std::size_t j = 0; j < 4; ++j) {
      split_halves(columns[j], halves);
      take(2 * j, halves[0]);
      take(2 * j + 1, halves[1]);
    }
  }
};
struct Q8Row {
  static constexpr std::size_t kColumns = kQ8Block;
  static constexpr std::size_t bytes(std::size_t n) { return n / kQ8Block * kQ8BlockBytes; }
  static Vec get(const std::byte* row, std::size_t i, std::size_t /*left*/) {
    return Codes::get(row, i);
  }
  template <class Take>
  static void for_columns(const std::byte* rows, std::size_t stride, std::size_t i,
                          const Take& take) {
    const std::byte* const block = rows + i / kQ8Block * kQ8BlockBytes;
    const Vec scale = load_scales(block, stride);
    for (std::size_t first = 0; first < kQ8Block; first += 16) {
      Vec columns[4];
      Vec codes[4];
      load_columns(block + 2 + first, stride, columns);
      for (std::size_t j = 0; j < 4; ++j) {
        split_bytes(columns[j], codes);
        for (std::size_t k = 0; k < 4; ++k) take(first + 4 * j + k, mul(scale, codes[k]));
      }
    }
  }

 private:
  static Vec load_scales(const std::byte* rows, std::size_t stride) {
    std::byte scales[kLanes * 2];
    for (std::size_t lane = 0; lane < kLanes; ++lane)
      std::memcpy(scales + 2 * lane, rows + lane * stride, 2);
    return load_half(scales);
  }
};

// Vector j of dst, `step` floats apart, = values [j * kLanes, ..) of a cached row of n, zeros up to
// dim. Returns zeros, or NaN in the lanes that met a value that is not finite.
template <class Row>
inline Vec load_row(const std::byte* src, std::size_t n, std::size_t dim, float* dst,
                    std::size_t step) {
  const Vec zero = set1(0.0f);
  Vec check = zero;
  for (std::size_t i = 0; i < dim; i += kLanes, dst += step) {
    const Vec v = i < n ? Row::get(src, i, n - i) : zero;
    check = fma(v, zero, check);
    store(dst, v);
  }
  return check;
}

inline bool is_hidden(const AttentionArgs& args, std::size_t key) {
  return args.key_mask != nullptr && args.key_mask[key] == 0;
}

inline const std::byte* cached(const CacheView& view, std::size_t kv_head, std::size_t position) {
  return view.data + kv_head * view.head_stride + position * view.position_stride;
}

// A tile: its first key, and what any row of a block sees of it.
struct Tile {
  const AttentionArgs& args;
  std::size_t kv_head;
  std::size_t first;
  KeyRange range;  // relative to `first`

  const std::byte* key(std::size_t i) const { return cached(args.keys, kv_head, first + i); }
  const std::byte* value(std::size_t i) const { return cached(args.values, kv_head, first + i); }
  bool hidden(std::size_t i) const { return is_hidden(args, first + i); }
};

// kLanes cached rows, `stride` bytes apart, for for_columns.
struct KeyRows {
  const std::byte* data;
  std::size_t stride;
};

// Keys [first, first + kLanes) of the tile: in the cache, or, where some are hidden or do not exist
// or end within a column, copied with zeros in their place, so that they cannot bring a NaN in.
template <class Row>
KeyRows key_rows(const Tile& tile, std::size_t first, float* staging) {
  const AttentionArgs& args = tile.args;
  if (args.key_mask == nullptr && args.head_dim % Row::kColumns == 0 &&
      tile.first + first + kLanes <= args.length)
    return {tile.key(first), args.keys.position_stride};
  const std::size_t stride = padded_dim(args.head_dim) * sizeof(float);
  auto* const rows = reinterpret_cast<std::byte*>(staging);
  std::memset(rows, 0, kLanes * stride);
  const std::size_t end = first + kLanes < tile.range.end ? first + kLanes : tile.range.end;
  for (std::size_t key = first > tile.range.begin ? first : tile.range.begin; key < end; ++key)
    if (!tile.hidden(key))
      std::memcpy(rows + (key - first) * stride, tile.key(key), Row::bytes(args.head_dim));
  return {rows, stride};
}

// Decodes and transposes the keys of the tile to [dim][kKeyTile]. Lanes outside its range stay
// undefined: their scores are masked.
template <class Row>
void load_keys(const Tile& tile, float* staging, float* keys) noexcept {
  for (std::size_t i = tile.range.begin / kLanes * kLanes; i < tile.range.end; i += kLanes) {
    const KeyRows rows = key_rows<Row>(tile, i, staging);
    for (std::size_t d = 0; d < tile.args.head_dim; d += Row::kColumns) {
      float* const dst = keys + d * kKeyTile + i;
      Row::for_columns(rows.data, rows.stride, d,
                       [&](std::size_t j, Vec column) { store(dst + j * kKeyTile, column); });
    }
  }
}

// Scores [R][kKeyTile] of R queries (`dim` floats apart) with keys [i, i + kLanes): sums in the
// order of `multiply`, without the keys' way through memory, which only pays for many queries. Asks
// for the same keys of the next tile.
template <class Row, std::size_t R>
void score_keys(const Tile& tile, std::size_t i, const float* queries, std::size_t dim,
                float* staging, float* scores) noexcept {
  const AttentionArgs& args = tile.args;
  const KeyRows rows = key_rows<Row>(tile, i, staging);
  const bool more = tile.first + i + kKeyTile < args.length;
  const std::byte* const next = more ? tile.key(i + kKeyTile) : nullptr;
  const std::size_t step = kLanes * args.keys.position_stride * Row::kColumns / args.head_dim;
  const float* q[R];
  Vec sums[R];
  for (std::size_t r = 0; r < R; ++r) {
    q[r] = queries + r * dim;
    sums[r] = set1(0.0f);
  }
  for (std::size_t d = 0; d < args.head_dim; d += Row::kColumns) {
    if (more) prefetch_span(next + d / Row::kColumns * step, step);
    Row::for_columns(rows.data, rows.stride, d, [&](std::size_t j, Vec column) {
      for (std::size_t r = 0; r < R; ++r) sums[r] = fma(set1(q[r][d + j]), column, sums[r]);
    });
  }
  for (std::size_t r = 0; r < R; ++r) store(scores + r * kKeyTile + i, sums[r]);
}

// Scores of the whole tile.
template <class Row, std::size_t R>
void score_tile(const Tile& tile, const float* queries, std::size_t dim, float* staging,
                float* scores) noexcept {
  for (std::size_t i = tile.range.begin / kLanes * kLanes; i < tile.range.end; i += kLanes)
    score_keys<Row, R>(tile, i, queries, dim, staging, scores);
}
using ScoreTile = void (*)(const Tile&, const float*, std::size_t, float*, float*) noexcept;
// [queries - 1]
template <class Row>
constexpr ScoreTile kScoreTile[kMaxRowTile] = {
    score_tile<Row, 1>, score_tile<Row, 2>, score_tile<Row, 3>, score_tile<Row, 4>,
    score_tile<Row, 5>, score_tile<Row, 6>, score_tile<Row, 7>, score_tile<Row, 8>};

// Decodes the values of the tile to [kKeyTile][dim], hidden ones as zeros. True if all are finite.
template <class Row>
bool load_values(const Tile& tile, std::size_t dim, float* values) noexcept {
  Vec check = set1(0.0f);
  for (std::size_t i = tile.range.begin; i < tile.range.end; ++i) {
    float* const dst = values + i * dim;
    if (tile.hidden(i)) {
      std::memset(dst, 0, dim * sizeof(float));
    } else {
      check = add(check, load_row<Row>(tile.value(i), tile.args.head_dim, dim, dst, kLanes));
    }
  }
  return !any(is_nan(check));
}

// What depends on a cache's type: the loaders, and the products with its rows as they are.
struct CacheType {
  void (*load_keys)(const Tile&, float*, float*) noexcept;
  bool (*load_values)(const Tile&, std::size_t, float*) noexcept;
  const ScoreTile* score_tile;
  const Multiply* multiply;
};
template <class Row, class Source>
constexpr CacheType kCacheType = {load_keys<Row>, load_values<Row>, kScoreTile<Row>,
                                  kMultiply<Source>};
inline const CacheType& cache_type(DType dtype) {
  if (dtype == DType::f16) return kCacheType<F16Row, Halves>;
  return dtype == DType::f32 ? kCacheType<F32Row, Floats> : kCacheType<Q8Row, Codes>;
}
