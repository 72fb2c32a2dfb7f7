// The products of attention in f32 with what a cache holds. Included in an anonymous namespace,
// after generic/attention_block.inl; then comes what is done with q8_0, an ISA's attention_q8_*.inl
// or generic/attention_q8.inl.

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

// sums[r][v] += products of R queries with dimensions [d, d + Row::kColumns) of kLanes keys each.
// The vectors of keys take turns: a sum alone would wait for itself.
template <class Row, std::size_t R, std::size_t V>
inline void add_products(const KeyRows (&rows)[V], std::size_t d, const float* const (&q)[R],
                         Vec (&sums)[R][V]) {
  typename Row::Scales scales[V];
  Vec words[V][4];
  Vec values[V][Row::kInWord];
  for (std::size_t v = 0; v < V; ++v) {
    scales[v] = Row::scales(rows[v].data, rows[v].stride, d);
    load_columns(rows[v].data + Row::offset(d), rows[v].stride, words[v]);
  }
  for (std::size_t j = 0; j < 4; ++j) {
    for (std::size_t v = 0; v < V; ++v) Row::split(words[v][j], scales[v], values[v]);
    for (std::size_t k = 0; k < Row::kInWord; ++k) {
      for (std::size_t r = 0; r < R; ++r) {
        const Vec query = set1(q[r][d + j * Row::kInWord + k]);
        for (std::size_t v = 0; v < V; ++v) sums[r][v] = fma(query, values[v][k], sums[r][v]);
      }
    }
  }
}

// Scores [R][kKeyTile] of R queries (`dim` floats apart) with keys [i, i + kMaxLanes): sums in the
// order of `multiply`, without the keys' way through memory, which only pays for many queries. Asks
// for the same keys of the next tile.
template <class Row, std::size_t R>
void score_keys(const Tile& tile, std::size_t i, const float* queries, std::size_t dim,
                float* staging, float* scores) noexcept {
  constexpr std::size_t kVectors = kMaxLanes / kLanes;
  const AttentionArgs& args = tile.args;
  const bool more = tile.first + i + kKeyTile < args.length;
  const std::byte* const next = more ? tile.key(i + kKeyTile) : nullptr;
  const std::size_t step = kMaxLanes * args.keys.position_stride * Row::kColumns / args.head_dim;
  KeyRows rows[kVectors];
  for (std::size_t v = 0; v < kVectors; ++v)
    rows[v] = key_rows<Row>(tile, i + v * kLanes, staging + v * kLanes * dim);
  const float* q[R];
  Vec sums[R][kVectors];
  for (std::size_t r = 0; r < R; ++r) {
    q[r] = queries + r * dim;
    for (Vec& sum : sums[r]) sum = set1(0.0f);
  }
  for (std::size_t d = 0; d < args.head_dim; d += Row::kColumns) {
    if (more) prefetch_span(next + d / Row::kColumns * step, step);
    add_products<Row>(rows, d, q, sums);
  }
  for (std::size_t r = 0; r < R; ++r)
    for (std::size_t v = 0; v < kVectors; ++v)
      store(scores + r * kKeyTile + i + v * kLanes, sums[r][v]);
}

// Scores of the whole tile.
template <class Row, std::size_t R>
void score_tile(const Tile& tile, const float* queries, std::size_t dim, float* staging,
                float* scores) noexcept {
  std::size_t i = tile.range.begin / kMaxLanes * kMaxLanes;
  for (; i < tile.range.end; i += kMaxLanes)
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

// Takes the values of the tile into the outputs of the step's rows, which first get their factors,
// and asks for those of the next tile where there are any.
using Gather = void (*)(const Worker&, const Step&, const Tile&, const float* factors,
                        const std::byte* next) noexcept;

// What depends on a cache's type: the loaders, which decode it for many queries, and the products
// with its rows as they are. Without loaders these serve any number of queries.
struct CacheType {
  void (*load_keys)(const Tile&, float*, float*) noexcept;
  bool (*load_values)(const Tile&, std::size_t, float*) noexcept;
  const ScoreTile* score_tile;
  const Multiply* multiply;
  void (*prepare_query)(float* query, std::size_t dim) noexcept = nullptr;  // for score_tile
  Gather gather = nullptr;                                                  // else multiply
};
template <class Row, class Source>
constexpr CacheType kCacheType = {load_keys<Row>, load_values<Row>, kScoreTile<Row>,
                                  kMultiply<Source>};
