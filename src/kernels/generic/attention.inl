// Attention with one pass over the keys and an online softmax (Milakov & Gimelshein 2018; tiled as
// in Dao et al. 2022, "FlashAttention"), written once over the vocabulary of an ISA's vec.h.
// Included in an anonymous namespace, after generic/math.inl and generic/attention_layout.inl.
//
// A block of query rows (positions x the heads of one KV head) goes through the tiles of 64 keys
// that its rows see. A tile is decoded to f32 once, its keys transposed: then scores = Q K^T and
// outputs += P V are the same small matrix product, with keys or channels in the lanes. One row
// (decode) takes the same path. Every number of a row is computed by operations whose order depends
// on the row alone, so a row does not depend on what is computed with it.

constexpr std::size_t kColumns = 2;  // vectors side by side in the product

// c[r][0, columns * kLanes) = sum over i in [begin, end) of a[r][i] * b[i][..], for R rows. Starts
// from zero, or from c[r][..] * factors[r].
struct Product {
  const float* a;
  std::size_t a_stride;
  const float* b;
  std::size_t b_stride;
  std::size_t begin;
  std::size_t end;
  float* c;
  std::size_t c_stride;
  const float* factors;  // nullptr: from zero
};

template <std::size_t R, std::size_t C>
void multiply(const Product& p) noexcept {
  Vec sums[R][C];
  for (std::size_t r = 0; r < R; ++r)
    for (std::size_t c = 0; c < C; ++c)
      sums[r][c] = p.factors == nullptr
                       ? set1(0.0f)
                       : mul(set1(p.factors[r]), load(p.c + r * p.c_stride + c * kLanes));
  const float* b = p.b + p.begin * p.b_stride;
  const float* a = p.a + p.begin;
  for (std::size_t i = p.begin; i < p.end; ++i, b += p.b_stride, ++a) {
    Vec row[C];
    for (std::size_t c = 0; c < C; ++c) row[c] = load(b + c * kLanes);
    for (std::size_t r = 0; r < R; ++r) {
      const Vec factor = set1(a[r * p.a_stride]);
      for (std::size_t c = 0; c < C; ++c) sums[r][c] = fma(factor, row[c], sums[r][c]);
    }
  }
  for (std::size_t r = 0; r < R; ++r)
    for (std::size_t c = 0; c < C; ++c) store(p.c + r * p.c_stride + c * kLanes, sums[r][c]);
}

using Multiply = void (*)(const Product&) noexcept;
// [rows - 1][columns - 1]
constexpr Multiply kMultiply[8][kColumns] = {
    {multiply<1, 1>, multiply<1, 2>}, {multiply<2, 1>, multiply<2, 2>},
    {multiply<3, 1>, multiply<3, 2>}, {multiply<4, 1>, multiply<4, 2>},
    {multiply<5, 1>, multiply<5, 2>}, {multiply<6, 1>, multiply<6, 2>},
    {multiply<7, 1>, multiply<7, 2>}, {multiply<8, 1>, multiply<8, 2>}};

// The product for columns [first, last) of b and c, both multiples of kLanes.
void multiply_columns(std::size_t rows, Product p, std::size_t first, std::size_t last) {
  const float* const b = p.b;
  float* const c = p.c;
  while (first < last) {
    const std::size_t columns = last - first >= kColumns * kLanes ? kColumns : 1;
    p.b = b + first;
    p.c = c + first;
    kMultiply[rows - 1][columns - 1](p);
    first += columns * kLanes;
  }
}

inline Vec load_half_some(const std::byte* p, std::size_t n) {
  if (n >= kLanes) return load_half(p);
  std::byte rest[kLanes * 2] = {};
  std::memcpy(rest, p, n * 2);
  return load_half(rest);
}

inline float load_half_one(const std::byte* p) {
  float first[kLanes];
  store(first, load_half_some(p, 1));
  return first[0];
}

// dst[0, dim) = the n values of a cached row, then zeros. Returns zeros, or NaN in the lanes that
// met a value that is not finite.
inline Vec load_row(DType dtype, const std::byte* src, std::size_t n, std::size_t dim, float* dst) {
  const Vec zero = set1(0.0f);
  Vec check = zero;
  Vec scale = zero;
  for (std::size_t i = 0; i < dim; i += kLanes) {
    Vec v = zero;
    if (i < n && dtype == DType::f16) {
      v = load_half_some(src + i * 2, n - i);
    } else if (i < n && dtype == DType::f32) {
      const auto* floats = reinterpret_cast<const float*>(src) + i;
      v = n - i >= kLanes ? load(floats) : load_first(floats, n - i);
    } else if (i < n) {
      const std::byte* block = src + i / kQ8Block * kQ8BlockBytes;
      if (i % kQ8Block == 0) scale = set1(load_half_one(block));
      v = mul(scale, load_int8(block + 2 + i % kQ8Block));
    }
    check = fma(v, zero, check);
    store(dst + i, v);
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

// The part of [begin, end) that lies in the tile, relative to it.
inline KeyRange in_tile(KeyRange keys, std::size_t tile) {
  const std::size_t begin = keys.begin > tile ? keys.begin - tile : 0;
  const std::size_t end = keys.end > tile ? keys.end - tile : 0;
  const std::size_t bounded = end < kKeyTile ? end : kKeyTile;
  return {begin < bounded ? begin : bounded, bounded};
}

// The smallest range that holds both.
inline KeyRange unite(KeyRange a, KeyRange b) {
  if (a.begin == a.end) return b;
  if (b.begin == b.end) return a;
  return {a.begin < b.begin ? a.begin : b.begin, a.end > b.end ? a.end : b.end};
}

inline bool is_hidden(const AttentionArgs& args, std::size_t key) {
  return args.key_mask != nullptr && args.key_mask[key] == 0;
}

inline const std::byte* cached(const CacheView& view, std::size_t kv_head, std::size_t position) {
  return view.data + kv_head * view.head_stride + position * view.position_stride;
}

// Decodes and transposes keys `range` of the tile. Lanes outside stay undefined: their scores are
// masked. Hidden keys become zeros, so that they cannot bring a NaN in.
void load_keys(const Worker& w, std::size_t kv_head, std::size_t tile, KeyRange range) {
  for (std::size_t first = range.begin / kLanes * kLanes; first < range.end; first += kLanes) {
    for (std::size_t lane = 0; lane < kLanes; ++lane) {
      const std::size_t key = first + lane;
      float* dst = w.staging + lane * w.dim;
      if (key < range.begin || key >= range.end || is_hidden(w.args, tile + key)) {
        std::memset(dst, 0, w.dim * sizeof(float));
      } else {
        load_row(w.args.keys.dtype, cached(w.args.keys, kv_head, tile + key), w.args.head_dim,
                 w.dim, dst);
      }
    }
    for (std::size_t i = 0; i < w.args.head_dim; i += kLanes)
      transpose(w.staging + i, w.dim, w.keys + i * kKeyTile + first, kKeyTile);
  }
}

// Decodes values `range` of the tile, hidden ones as zeros. True if all are finite.
bool load_values(const Worker& w, std::size_t kv_head, std::size_t tile, KeyRange range) {
  Vec check = set1(0.0f);
  for (std::size_t key = range.begin; key < range.end; ++key) {
    float* dst = w.values + key * w.dim;
    if (is_hidden(w.args, tile + key)) {
      std::memset(dst, 0, w.dim * sizeof(float));
    } else {
      check = add(check, load_row(w.args.values.dtype, cached(w.args.values, kv_head, tile + key),
                                  w.args.head_dim, w.dim, dst));
    }
  }
  return !any(is_nan(check));
}

void load_hidden(const Worker& w, std::size_t tile, KeyRange range) {
  for (std::size_t key = range.begin; key < range.end; ++key)
    w.hidden[key] = is_hidden(w.args, tile + key) ? -kInfinity : 0.0f;
}

// Query rows [first, first + count) of a block in one tile.
struct Step {
  const Block& block;
  std::size_t first;
  std::size_t count;
  std::size_t tile;
  KeyRange range;              // of all its rows, relative to the tile
  KeyRange rows[kMaxRowTile];  // of each row
};

// Softcap, bias and masks on the scores of row r of the step; returns their maximum (NaN if there
// is one).
float finish_scores(const Worker& w, const Step& step, std::size_t r) {
  const AttentionArgs& args = w.args;
  const std::size_t query = step.first + r;
  float* scores = w.scores + r * kKeyTile;
  const float* bias = nullptr;
  if (args.bias != nullptr) {
    const std::ptrdiff_t distance =
        static_cast<std::ptrdiff_t>(step.tile) -
        static_cast<std::ptrdiff_t>(args.first_position + step.block.row(query));
    bias = args.bias + static_cast<std::ptrdiff_t>(step.block.head(query) * args.bias_head_stride) +
           distance + args.bias_zero;
  }
  const KeyRange seen = step.rows[r];
  Vec top = set1(-kInfinity);
  Mask nan = is_nan(top);
  for (std::size_t i = step.range.begin / kLanes * kLanes; i < step.range.end; i += kLanes) {
    Vec v = load(scores + i);
    if (args.softcap > 0.0f) v = mul(set1(args.softcap), tanh(mul(v, set1(1.0f / args.softcap))));
    const std::size_t begin = seen.begin > i ? seen.begin - i : 0;
    const std::size_t end = seen.end > i ? seen.end - i : 0;
    const bool whole = begin == 0 && end >= kLanes;
    const Mask mask = lanes(begin < kLanes ? begin : kLanes, end < kLanes ? end : kLanes);
    if (bias != nullptr) v = add(v, load_lanes(bias + i, mask));
    if (args.key_mask != nullptr) v = add(v, load(w.hidden + i));
    if (!whole) v = select(mask, v, set1(-kInfinity));
    nan = either(nan, is_nan(v));
    top = max(top, v);
    store(scores + i, v);
  }
  return any(nan) ? __builtin_nanf("") : reduce_max(top);
}

// Turns the scores of row r into weights exp(score - shift); returns their sum.
float weigh_scores(const Worker& w, const Step& step, std::size_t r, float shift) {
  float* scores = w.scores + r * kKeyTile;
  Vec sum = set1(0.0f);
  for (std::size_t i = step.range.begin / kLanes * kLanes; i < step.range.end; i += kLanes) {
    const Vec v = exp(sub(load(scores + i), set1(shift)));
    sum = add(sum, v);
    store(scores + i, v);
  }
  return reduce_add(sum);
}

// Takes the tile into the step's rows: maxima, sums, outputs.
void attend(const Worker& w, const Step& step, bool finite) {
  const std::size_t lane_begin = step.range.begin / kLanes * kLanes;
  const std::size_t lane_end = (step.range.end + kLanes - 1) / kLanes * kLanes;
  multiply_columns(step.count,
                   {w.queries + step.first * w.dim, w.dim, w.keys, kKeyTile, 0, w.args.head_dim,
                    w.scores, kKeyTile, nullptr},
                   lane_begin, lane_end);
  float* maxima = w.maxima + step.first;
  float* sums = w.sums + step.first;
  float shifts[kMaxLanes] = {};
  float factors[kMaxLanes] = {};
  for (std::size_t r = 0; r < step.count; ++r) {
    const float top = finish_scores(w, step, r);
    const float before = maxima[r];
    const float now = before >= top || before != before ? before : top;  // once NaN, always NaN
    maxima[r] = now;
    shifts[r] = now == -kInfinity ? 0.0f : now;  // nothing seen yet: every weight is 0
    factors[r] = before - shifts[r];
  }
  for (std::size_t r = 0; r < step.count; r += kLanes) store(factors + r, exp(load(factors + r)));
  for (std::size_t r = 0; r < step.count; ++r)
    sums[r] = sums[r] * factors[r] + weigh_scores(w, step, r, shifts[r]);

  Product p{w.scores,
            kKeyTile,
            w.values,
            w.dim,
            step.range.begin,
            step.range.end,
            w.outputs + step.first * w.dim,
            w.dim,
            factors};
  if (finite) {
    multiply_columns(step.count, p, 0, w.dim);
    return;
  }
  // A weight 0 would turn an infinity or NaN of a key that the row does not see into NaN.
  for (std::size_t r = 0; r < step.count; ++r) {
    p.begin = step.rows[r].begin;
    p.end = step.rows[r].end;
    multiply_columns(1, p, 0, w.dim);
    p.a += kKeyTile;
    p.c += w.dim;
    p.factors += 1;
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

// All rows of the block against the keys `range` of one tile.
void attend_tile(const Worker& w, const Block& block, std::size_t tile, KeyRange range) {
  load_keys(w, block.kv_head, tile, range);
  const bool finite = load_values(w, block.kv_head, tile, range);
  if (w.args.key_mask != nullptr) load_hidden(w, tile, range);
  for (std::size_t first = 0; first < block.queries(); first += kRowTile) {
    const std::size_t left = block.queries() - first;
    Step step{block, first, left < kRowTile ? left : kRowTile, tile, {0, 0}, {}};
    for (std::size_t r = 0; r < step.count; ++r) {
      step.rows[r] = in_tile(visible_keys(w.args, block.row(first + r)), tile);
      step.range = unite(step.range, step.rows[r]);
    }
    if (step.range.begin < step.range.end) attend(w, step, finite);
  }
}

void attend_block(const Worker& w, const Block& block) {
  load_queries(w, block);
  KeyRange keys{0, 0};
  for (std::size_t row = 0; row < block.rows; ++row)
    keys = unite(keys, visible_keys(w.args, block.row_begin + row));
  for (std::size_t tile = keys.begin / kKeyTile * kKeyTile; tile < keys.end; tile += kKeyTile)
    attend_tile(w, block, tile, in_tile(keys, tile));
  store_outputs(w, block);
}

inline std::size_t smaller(std::size_t a, std::size_t b) {
  return a < b ? a : b;
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
                 memory + at.hidden};
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
