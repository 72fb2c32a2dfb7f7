// Attention with one pass over the keys and an online softmax (Milakov & Gimelshein 2018; tiled as
// in Dao et al. 2022, "FlashAttention"), written once over the vocabulary of an ISA's vec.h.
// Included in an anonymous namespace, after generic/math.inl and generic/attention_layout.inl.
//
// A block of query rows (positions x the heads of one KV head) goes through the tiles of 64 keys
// that its rows see. A tile is decoded to f32 once, its keys transposed: then scores = Q K^T and
// outputs += P V are the same small matrix product, with keys or channels in the lanes. One row
// (decode) takes the same path. Every number of a row is computed by operations whose order depends
// on the row alone, so a row does not depend on what is computed with it.

// Rows of a matrix: f32, or the f16 of a cache.
struct Floats {
  static Vec get(const std::byte* row, std::size_t i) {
    return load(reinterpret_cast<const float*>(row) + i);
  }
};
struct Halves {
  static Vec get(const std::byte* row, std::size_t i) { return load_half(row + 2 * i); }
};

// c[r][columns] = sum over i in [begin, end) of a[r][i] * b[i][columns], for some rows. Starts from
// zero, or from c[r][..] * factors[r]. Every sum runs over ascending i, however many rows and
// columns are computed side by side.
struct Product {
  const float* a;
  std::size_t a_stride;
  const std::byte* b;
  std::size_t b_stride;  // bytes
  std::size_t begin;
  std::size_t end;
  float* c;
  std::size_t c_stride;
  const float* factors;  // nullptr: from zero
};

// C vectors of columns from `column`, for R rows.
template <class Source, std::size_t R, std::size_t C>
void multiply(const Product& p, std::size_t column) noexcept {
  Vec sums[R][C];
  for (std::size_t r = 0; r < R; ++r) {
    const float* c = p.c + r * p.c_stride + column;
    for (std::size_t j = 0; j < C; ++j)
      sums[r][j] =
          p.factors == nullptr ? set1(0.0f) : mul(set1(p.factors[r]), load(c + j * kLanes));
  }
  const std::byte* b = p.b + p.begin * p.b_stride;
  const float* a = p.a + p.begin;
  for (std::size_t i = p.begin; i < p.end; ++i, b += p.b_stride, ++a) {
    Vec row[C];
    for (std::size_t j = 0; j < C; ++j) row[j] = Source::get(b, column + j * kLanes);
    for (std::size_t r = 0; r < R; ++r) {
      const Vec factor = set1(a[r * p.a_stride]);
      for (std::size_t j = 0; j < C; ++j) sums[r][j] = fma(factor, row[j], sums[r][j]);
    }
  }
  for (std::size_t r = 0; r < R; ++r)
    for (std::size_t j = 0; j < C; ++j)
      store(p.c + r * p.c_stride + column + j * kLanes, sums[r][j]);
}

// Columns [first, last), multiples of kLanes, for R rows: as many vectors at once as there are
// registers, since a few sums alone would wait for each other.
template <class Source, std::size_t R>
void multiply_columns(const Product& p, std::size_t first, std::size_t last) noexcept {
  constexpr std::size_t kWide = R * 8 <= kSums ? 8 : R * 4 <= kSums ? 4 : 2;
  for (; last - first >= kWide * kLanes; first += kWide * kLanes)
    multiply<Source, R, kWide>(p, first);
  for (; last - first >= 2 * kLanes; first += 2 * kLanes) multiply<Source, R, 2>(p, first);
  if (first < last) multiply<Source, R, 1>(p, first);
}

using Multiply = void (*)(const Product&, std::size_t, std::size_t) noexcept;
// [rows - 1]
template <class Source>
constexpr Multiply kMultiply[kMaxRowTile] = {
    multiply_columns<Source, 1>, multiply_columns<Source, 2>, multiply_columns<Source, 3>,
    multiply_columns<Source, 4>, multiply_columns<Source, 5>, multiply_columns<Source, 6>,
    multiply_columns<Source, 7>, multiply_columns<Source, 8>};

inline const std::byte* bytes(const float* p) {
  return reinterpret_cast<const std::byte*>(p);
}

inline Vec load_half_some(const std::byte* p, std::size_t n) {
  if (n >= kLanes) return load_half(p);
  std::byte rest[kLanes * 2] = {};
  std::memcpy(rest, p, n * 2);
  return load_half(rest);
}

// Decoders of a cached row: the values from i on, of which `left` exist, then zeros.
struct F32Row {
  static Vec get(const std::byte* row, std::size_t i, std::size_t left) {
    const auto* floats = reinterpret_cast<const float*>(row) + i;
    return left >= kLanes ? load(floats) : load_first(floats, left);
  }
};
struct F16Row {
  static Vec get(const std::byte* row, std::size_t i, std::size_t left) {
    return load_half_some(row + 2 * i, left);
  }
};
struct Q8Row {
  static Vec get(const std::byte* row, std::size_t i, std::size_t /*left*/) {
    const std::byte* block = row + i / kQ8Block * kQ8BlockBytes;
    return mul(broadcast_half(block), load_int8(block + 2 + i % kQ8Block));
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

// A thread's state: the arguments and its scratch.
struct Worker {
  const AttentionArgs& args;
  std::size_t dim;  // head_dim rounded up to whole vectors of any ISA
  float* queries;
  float* outputs;
  float* keys;
  float* values;
  float* staging;
  float* scores;
  float* maxima;
  float* sums;
  float* hidden;
  KeyRange* ranges;
};

// Query i of a block is head head_begin + i / rows, row row_begin + i % rows.
struct Block {
  std::size_t kv_head;
  std::size_t head_begin;
  std::size_t row_begin;
  std::size_t heads;
  std::size_t rows;

  std::size_t queries() const { return heads * rows; }
  std::size_t head(std::size_t i) const { return head_begin + i / rows; }
  std::size_t row(std::size_t i) const { return row_begin + i % rows; }
};

inline std::size_t smaller(std::size_t a, std::size_t b) {
  return a < b ? a : b;
}
inline std::size_t larger(std::size_t a, std::size_t b) {
  return a > b ? a : b;
}

// The part of `keys` that lies in the tile, relative to it.
inline KeyRange in_tile(KeyRange keys, std::size_t tile) {
  const std::size_t begin = keys.begin > tile ? keys.begin - tile : 0;
  const std::size_t end = smaller(keys.end > tile ? keys.end - tile : 0, kKeyTile);
  return {smaller(begin, end), end};
}

inline bool is_hidden(const AttentionArgs& args, std::size_t key) {
  return args.key_mask != nullptr && args.key_mask[key] == 0;
}

inline const std::byte* cached(const CacheView& view, std::size_t kv_head, std::size_t position) {
  return view.data + kv_head * view.head_stride + position * view.position_stride;
}

// Asks for the memory of the key and value one tile ahead of `position`: their rows lie apart, and
// a tile takes about as long to compute as to fetch.
inline void prefetch_ahead(const Worker& w, std::size_t kv_head, std::size_t position) {
  constexpr std::size_t kCacheLine = 64;
  const std::size_t ahead = position + kKeyTile;
  if (ahead >= w.args.length) return;
  const CacheView* const views[] = {&w.args.keys, &w.args.values};
  for (const CacheView* view : views) {
    const std::byte* row = cached(*view, kv_head, ahead);
    for (std::size_t i = 0; i < view->position_stride; i += kCacheLine)
      __builtin_prefetch(row + i, 0, 2);
  }
}

// Decodes and transposes keys `range` of the tile, kLanes keys at a time through squares of
// kLanes x kLanes floats. Lanes outside stay undefined: their scores are masked. Hidden keys become
// zeros, so that they cannot bring a NaN in.
template <class Row>
void load_keys(const Worker& w, std::size_t kv_head, std::size_t tile, KeyRange range) noexcept {
  constexpr std::size_t kSquare = kLanes * kLanes;
  const std::size_t dim = w.args.head_dim;
  for (std::size_t first = range.begin / kLanes * kLanes; first < range.end; first += kLanes) {
    for (std::size_t lane = 0; lane < kLanes; ++lane) {
      const std::size_t key = first + lane;
      float* dst = w.staging + lane * kLanes;
      if (key < range.begin || key >= range.end || is_hidden(w.args, tile + key)) {
        for (std::size_t i = 0; i < dim; i += kLanes) store(dst + i * kLanes, set1(0.0f));
      } else {
        load_row<Row>(cached(w.args.keys, kv_head, tile + key), dim, dim, dst, kSquare);
        prefetch_ahead(w, kv_head, tile + key);
      }
    }
    for (std::size_t i = 0; i < dim; i += kLanes)
      transpose<kKeyTile>(w.staging + i * kLanes, w.keys + i * kKeyTile + first);
  }
}

// Decodes values `range` of the tile, hidden ones as zeros. True if all are finite.
template <class Row>
bool load_values(const Worker& w, std::size_t kv_head, std::size_t tile, KeyRange range) noexcept {
  Vec check = set1(0.0f);
  for (std::size_t key = range.begin; key < range.end; ++key) {
    float* dst = w.values + key * w.dim;
    if (is_hidden(w.args, tile + key)) {
      std::memset(dst, 0, w.dim * sizeof(float));
    } else {
      const std::byte* src = cached(w.args.values, kv_head, tile + key);
      check = add(check, load_row<Row>(src, w.args.head_dim, w.dim, dst, kLanes));
    }
  }
  return !any(is_nan(check));
}

// The loaders of a cache's type.
struct Loaders {
  void (*keys)(const Worker&, std::size_t, std::size_t, KeyRange) noexcept;
  bool (*values)(const Worker&, std::size_t, std::size_t, KeyRange) noexcept;
};
template <class Row>
constexpr Loaders kLoaders = {load_keys<Row>, load_values<Row>};
inline const Loaders& loaders(DType dtype) {
  if (dtype == DType::f16) return kLoaders<F16Row>;
  return dtype == DType::f32 ? kLoaders<F32Row> : kLoaders<Q8Row>;
}

void load_hidden(const Worker& w, std::size_t tile, KeyRange range) {
  for (std::size_t key = range.begin; key < range.end; ++key)
    w.hidden[key] = is_hidden(w.args, tile + key) ? -kInfinity : 0.0f;
}

// The values of a tile as a matrix: decoded, or the cache itself.
struct Values {
  const std::byte* data;  // of the tile's first key
  std::size_t stride;     // bytes
  const Multiply* multiply;
  bool finite;
};

// Queries [first, first + count) of a block in one tile.
struct Step {
  const Block& block;
  std::size_t first;
  std::size_t count;
  std::size_t tile;
  KeyRange range;              // what any of them sees, relative to the tile
  KeyRange rows[kMaxRowTile];  // what each sees

  // Whole vectors of keys.
  std::size_t begin() const { return range.begin / kLanes * kLanes; }
  std::size_t end() const { return (range.end + kLanes - 1) / kLanes * kLanes; }
};

// Lanes of the keys [i, i + kLanes) that lie in `seen`.
inline Mask seen_lanes(KeyRange seen, std::size_t i) {
  const std::size_t begin = seen.begin > i ? seen.begin - i : 0;
  const std::size_t end = seen.end > i ? seen.end - i : 0;
  return lanes(begin < kLanes ? begin : kLanes, end < kLanes ? end : kLanes);
}

// Softcap, bias and key mask on the scores of row r.
void adjust_scores(const Worker& w, const Step& step, std::size_t r) {
  const AttentionArgs& args = w.args;
  const std::size_t query = step.first + r;
  float* scores = w.scores + r * kKeyTile;
  const float* bias = nullptr;
  if (args.bias != nullptr) {
    const auto position = static_cast<std::ptrdiff_t>(args.first_position + step.block.row(query));
    bias = args.bias + static_cast<std::ptrdiff_t>(step.block.head(query) * args.bias_head_stride) +
           static_cast<std::ptrdiff_t>(step.tile) - position + args.bias_zero;
  }
  for (std::size_t i = step.begin(); i < step.end(); i += kLanes) {
    Vec v = load(scores + i);
    if (args.softcap > 0.0f) v = mul(set1(args.softcap), tanh(mul(v, set1(1.0f / args.softcap))));
    if (bias != nullptr) v = add(v, load_lanes(bias + i, seen_lanes(step.rows[r], i)));
    if (args.key_mask != nullptr) v = add(v, load(w.hidden + i));
    store(scores + i, v);
  }
}

// Gives the keys that row r does not see the score -inf; returns the maximum. (A NaN may get lost
// here: its weight and with it the row's sum become NaN anyway.)
float mask_scores(const Worker& w, const Step& step, std::size_t r) {
  const KeyRange seen = step.rows[r];
  float* scores = w.scores + r * kKeyTile;
  Vec top = set1(-kInfinity);
  if (seen.begin <= step.begin() && seen.end >= step.end()) {
    for (std::size_t i = step.begin(); i < step.end(); i += kLanes)
      top = max(top, load(scores + i));
    return reduce_max(top);
  }
  for (std::size_t i = step.begin(); i < step.end(); i += kLanes) {
    const Vec v = select(seen_lanes(seen, i), load(scores + i), set1(-kInfinity));
    top = max(top, v);
    store(scores + i, v);
  }
  return reduce_max(top);
}

// Turns the scores of row r into weights exp(score - shift); returns their sum.
float weigh_scores(const Worker& w, const Step& step, std::size_t r, float shift) {
  float* scores = w.scores + r * kKeyTile;
  Vec sum = set1(0.0f);
  for (std::size_t i = step.begin(); i < step.end(); i += kLanes) {
    const Vec v = exp_nonpositive(sub(load(scores + i), set1(shift)));
    sum = add(sum, v);
    store(scores + i, v);
  }
  return reduce_add(sum);
}

// The online softmax: makes weights of the scores, brings maxima and sums up to date, and returns
// in factors[] what the outputs so far must be multiplied with.
void update_softmax(const Worker& w, const Step& step, float* factors) {
  float* maxima = w.maxima + step.first;
  float* sums = w.sums + step.first;
  float shifts[kMaxRowTile];
  const bool plain = w.args.softcap <= 0.0f && w.args.bias == nullptr && w.args.key_mask == nullptr;
  for (std::size_t r = 0; r < step.count; ++r) {
    if (!plain) adjust_scores(w, step, r);
    const float top = mask_scores(w, step, r);
    const float before = maxima[r];
    maxima[r] = before >= top || before != before ? before : top;  // once NaN, always NaN
    shifts[r] = maxima[r] == -kInfinity ? 0.0f : maxima[r];  // nothing seen yet: weights are 0
    factors[r] = before - shifts[r];
  }
  for (std::size_t r = 0; r < step.count; r += kLanes)
    store(factors + r, exp_nonpositive(load(factors + r)));
  for (std::size_t r = 0; r < step.count; ++r)
    sums[r] = sums[r] * factors[r] + weigh_scores(w, step, r, shifts[r]);
}

// Takes the tile into the step's rows.
void attend(const Worker& w, const Step& step, const Values& values) {
  const Product scores{w.queries + step.first * w.dim,
                       w.dim,
                       bytes(w.keys),
                       kKeyTile * sizeof(float),
                       0,
                       w.args.head_dim,
                       w.scores,
                       kKeyTile,
                       nullptr};
  kMultiply<Floats>[step.count - 1](scores, step.begin(), step.end());
  float factors[kMaxLanes] = {};
  update_softmax(w, step, factors);
  Product outputs{w.scores,
                  kKeyTile,
                  values.data,
                  values.stride,
                  step.range.begin,
                  step.range.end,
                  w.outputs + step.first * w.dim,
                  w.dim,
                  factors};
  if (values.finite) {
    values.multiply[step.count - 1](outputs, 0, w.dim);
    return;
  }
  // A weight 0 would turn an infinity or NaN of a key that the row does not see into NaN.
  for (std::size_t r = 0; r < step.count; ++r) {
    outputs.begin = step.rows[r].begin;
    outputs.end = step.rows[r].end;
    values.multiply[0](outputs, 0, w.dim);
    outputs.a += kKeyTile;
    outputs.c += w.dim;
    outputs.factors += 1;
  }
}

void load_queries(const Worker& w, const Block& block) {
  const AttentionArgs& args = w.args;
  const std::size_t count = block.queries();
  for (std::size_t i = 0; i < count; ++i) {
    const float* q = args.q + block.row(i) * args.q_stride + block.head(i) * args.head_dim;
    float* dst = w.queries + i * w.dim;
    for (std::size_t d = 0; d < args.head_dim; d += kLanes) {
      const std::size_t left = args.head_dim - d;
      store(dst + d, mul(set1(args.scale), left >= kLanes ? load(q + d) : load_first(q + d, left)));
    }
    w.ranges[i] = visible_keys(args, block.row(i));
    w.maxima[i] = -kInfinity;
    w.sums[i] = 0.0f;
  }
  std::memset(w.outputs, 0, count * w.dim * sizeof(float));
}

void store_outputs(const Worker& w, const Block& block) {
  const AttentionArgs& args = w.args;
  for (std::size_t i = 0; i < block.queries(); ++i) {
    float* out = args.out + block.row(i) * args.out_stride + block.head(i) * args.head_dim;
    const float* src = w.outputs + i * w.dim;
    const Vec sum = set1(w.sums[i] == 0.0f ? 1.0f : w.sums[i]);  // saw nothing: outputs are 0
    for (std::size_t d = 0; d < args.head_dim; d += kLanes) {
      const std::size_t left = args.head_dim - d;
      const Vec v = div(load(src + d), sum);
      if (left >= kLanes) {
        store(out + d, v);
      } else {
        store_first(out + d, v, left);
      }
    }
  }
}

// The values `range` of a tile. One position's heads read halves where they lie: decoding them
// first only pays for many rows. (One position also means that all see the same keys.)
Values tile_values(const Worker& w, const Block& block, std::size_t tile, KeyRange range) {
  const CacheView& cache = w.args.values;
  if (block.rows == 1 && cache.dtype == DType::f16 && w.args.head_dim == w.dim &&
      w.args.key_mask == nullptr)
    return {cached(cache, block.kv_head, tile), cache.position_stride, kMultiply<Halves>, true};
  const bool finite = loaders(cache.dtype).values(w, block.kv_head, tile, range);
  return {bytes(w.values), w.dim * sizeof(float), kMultiply<Floats>, finite || block.rows == 1};
}

// All rows of the block against the keys `range` of one tile.
void attend_tile(const Worker& w, const Block& block, std::size_t tile, KeyRange range) {
  loaders(w.args.keys.dtype).keys(w, block.kv_head, tile, range);
  const Values values = tile_values(w, block, tile, range);
  if (w.args.key_mask != nullptr) load_hidden(w, tile, range);
  for (std::size_t first = 0; first < block.queries(); first += kRowTile) {
    const std::size_t left = block.queries() - first;
    Step step{block, first, smaller(left, kRowTile), tile, {kKeyTile, 0}, {}};
    for (std::size_t r = 0; r < step.count; ++r) {
      const KeyRange seen = in_tile(w.ranges[first + r], tile);
      step.rows[r] = seen;
      if (seen.begin == seen.end) continue;
      step.range.begin = smaller(step.range.begin, seen.begin);
      step.range.end = larger(step.range.end, seen.end);
    }
    if (step.range.begin < step.range.end) attend(w, step, values);
  }
}

void attend_block(const Worker& w, const Block& block) {
  load_queries(w, block);
  KeyRange keys{w.args.length, 0};  // what any row sees
  for (std::size_t i = 0; i < block.rows; ++i) {
    if (w.ranges[i].begin == w.ranges[i].end) continue;
    keys = {smaller(keys.begin, w.ranges[i].begin), larger(keys.end, w.ranges[i].end)};
  }
  for (std::size_t tile = keys.begin / kKeyTile * kKeyTile; tile < keys.end; tile += kKeyTile)
    attend_tile(w, block, tile, in_tile(keys, tile));
  store_outputs(w, block);
}

void attention(const AttentionArgs& args, std::size_t head_begin, std::size_t head_end,
               std::size_t row_begin, std::size_t row_end, std::byte* scratch) noexcept {
  const AttentionLayout at = attention_layout(args.head_dim);
  auto* memory = reinterpret_cast<float*>(scratch);
  const Worker w{args,
                 padded_dim(args.head_dim),
                 memory + at.queries,
                 memory + at.outputs,
                 memory + at.keys,
                 memory + at.values,
                 memory + at.staging,
                 memory + at.scores,
                 memory + at.maxima,
                 memory + at.sums,
                 memory + at.hidden,
                 reinterpret_cast<KeyRange*>(memory + at.ranges)};
  const std::size_t group = args.heads / args.kv_heads;
  for (std::size_t head = head_begin; head < head_end;) {
    const std::size_t group_end = smaller((head / group + 1) * group, head_end);
    const std::size_t heads = smaller(group_end - head, kBlockQueries);
    // Whole row tiles of one head where there is room: their rows see about the same keys.
    const std::size_t room = kBlockQueries / heads;
    const std::size_t rows = room > kRowTile ? room / kRowTile * kRowTile : room;
    for (std::size_t row = row_begin; row < row_end; row += rows)
      attend_block(w, {head / group, head, row, heads, smaller(rows, row_end - row)});
    head += heads;
  }
}
