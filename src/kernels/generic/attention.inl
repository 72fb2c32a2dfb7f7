// Attention with one pass over the keys and an online softmax (Milakov & Gimelshein 2018; tiled as
// in Dao et al. 2022, "FlashAttention"; the keys of few rows shared out by chunks as in Dao et al.
// 2023, "Flash-Decoding"), written once over the vocabulary of an ISA's vec.h. Included in an
// anonymous namespace, after generic/math.inl and the other generic/attention_*.inl.
//
// A block of query rows (positions x the heads of one KV head) goes through the chunks of keys that
// its rows see, and through each chunk in tiles of 64 keys. A tile is decoded to f32 once, its keys
// transposed: then scores = Q K^T and outputs += P V are the same small matrix product, with keys
// or channels in the lanes. One row (decode) takes the same path. Every number of a row is computed
// by operations whose order depends on the row alone, so a row does not depend on what is computed
// with it.

// A thread's state: the arguments and its scratch.
struct Worker {
  const AttentionArgs& args;
  std::size_t dim;   // head_dim rounded up to whole vectors of any ISA
  std::size_t part;  // floats of a part
  float* queries;
  float* parts;
  float* totals;
  float* keys;
  float* values;
  float* staging;
  float* scores;
  float* hidden;
  KeyRange* ranges;
};

Worker make_worker(const AttentionArgs& args, std::byte* scratch) {
  const AttentionLayout at = attention_layout(args.head_dim);
  auto* memory = reinterpret_cast<float*>(scratch);
  return {args,
          padded_dim(args.head_dim),
          part_floats(args.head_dim),
          memory + at.queries,
          memory + at.parts,
          memory + at.totals,
          memory + at.keys,
          memory + at.values,
          memory + at.staging,
          memory + at.scores,
          memory + at.hidden,
          reinterpret_cast<KeyRange*>(memory + at.ranges)};
}

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

void load_hidden(const Tile& tile, float* hidden) {
  for (std::size_t key = tile.range.begin; key < tile.range.end; ++key)
    hidden[key] = tile.hidden(key) ? -kInfinity : 0.0f;
}

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

// Where a part has its sum and maximum.
inline float& sum_of(float* part, std::size_t dim) {
  return part[dim];
}
inline float& max_of(float* part, std::size_t dim) {
  return part[dim + 1];
}

// The maximum of both; once NaN, always NaN.
inline float join_max(float a, float b) {
  return a >= b || a != a ? a : b;
}
// What to subtract from scores of that maximum; with nothing seen yet all weights are 0.
inline float shift_of(float max) {
  return max == -kInfinity ? 0.0f : max;
}

// The online softmax: makes weights of the scores, brings maxima and sums up to date, and returns
// in factors[] what the outputs so far must be multiplied with.
void update_softmax(const Worker& w, const Step& step, float* factors) {
  float* part = w.parts + step.first * w.part;
  float shifts[kMaxRowTile];
  const bool plain = w.args.softcap <= 0.0f && w.args.bias == nullptr && w.args.key_mask == nullptr;
  for (std::size_t r = 0; r < step.count; ++r) {
    if (!plain) adjust_scores(w, step, r);
    float& max = max_of(part + r * w.part, w.dim);
    const float before = max;
    max = join_max(before, mask_scores(w, step, r));
    shifts[r] = shift_of(max);
    factors[r] = before - shifts[r];
  }
  for (std::size_t r = 0; r < step.count; r += kLanes)
    store(factors + r, exp_nonpositive(load(factors + r)));
  for (std::size_t r = 0; r < step.count; ++r) {
    float& sum = sum_of(part + r * w.part, w.dim);
    sum = sum * factors[r] + weigh_scores(w, step, r, shifts[r]);
  }
}

// The keys and values of a tile, decoded or in the cache itself.
struct Operands {
  const Tile& tile;
  const ScoreTile* score;  // where the keys are still in the cache
  const std::byte* values;
  std::size_t stride;  // bytes
  const Multiply* multiply;
  bool finite;
  const std::byte* next_values;  // of the next tile, to be asked for; nullptr for none
};

void score(const Worker& w, const Step& step, const Operands& operands) {
  const float* const queries = w.queries + step.first * w.dim;
  if (operands.score != nullptr) {
    operands.score[step.count - 1](operands.tile, queries, w.dim, w.staging, w.scores);
    return;
  }
  const Product product{queries, w.dim,           bytes(w.keys), kKeyTile * sizeof(float),
                        0,       w.args.head_dim, w.scores,      kKeyTile,
                        nullptr};
  kMultiply<Floats>[step.count - 1](product, step.begin(), step.end());
}

// Takes the tile into the step's rows.
void attend(const Worker& w, const Step& step, const Operands& operands) {
  score(w, step, operands);
  float factors[kMaxLanes] = {};
  update_softmax(w, step, factors);
  Product outputs{w.scores,
                  kKeyTile,
                  operands.values,
                  operands.stride,
                  step.range.begin,
                  step.range.end,
                  w.parts + step.first * w.part,
                  w.part,
                  factors,
                  operands.next_values};
  if (operands.finite) {
    operands.multiply[step.count - 1](outputs, 0, w.dim);
    return;
  }
  // A weight 0 would turn an infinity or NaN of a key that the row does not see into NaN.
  for (std::size_t r = 0; r < step.count; ++r) {
    outputs.begin = step.rows[r].begin;
    outputs.end = step.rows[r].end;
    operands.multiply[0](outputs, 0, w.dim);
    outputs.a += kKeyTile;
    outputs.c += w.part;
    outputs.factors += 1;
  }
}

void load_queries(const Worker& w, const Block& block) {
  const AttentionArgs& args = w.args;
  for (std::size_t i = 0; i < block.queries(); ++i) {
    const float* q = args.q + block.row(i) * args.q_stride + block.head(i) * args.head_dim;
    float* dst = w.queries + i * w.dim;
    for (std::size_t d = 0; d < args.head_dim; d += kLanes) {
      const std::size_t left = args.head_dim - d;
      store(dst + d, mul(set1(args.scale), left >= kLanes ? load(q + d) : load_first(q + d, left)));
    }
    w.ranges[i] = visible_keys(args, block.row(i));
  }
}

// What any row of the block sees.
KeyRange keys_of(const Worker& w, const Block& block) {
  KeyRange keys{w.args.length, 0};
  for (std::size_t i = 0; i < block.rows; ++i) {
    if (w.ranges[i].begin == w.ranges[i].end) continue;
    keys = {smaller(keys.begin, w.ranges[i].begin), larger(keys.end, w.ranges[i].end)};
  }
  return keys.begin < keys.end ? keys : KeyRange{0, 0};
}

// Few rows read the cache where it lies: decoding it first only pays for many. (One position also
// means that all see the same values, so that none must be kept from a row.)
Operands tile_operands(const Worker& w, const Block& block, const Tile& tile) {
  const AttentionArgs& args = w.args;
  const CacheType& keys = cache_type(args.keys.dtype);
  const CacheType& values = cache_type(args.values.dtype);
  const bool few = block.queries() <= kRowTile;
  if (!few) keys.load_keys(tile, w.staging, w.keys);
  const ScoreTile* const score = few ? keys.score_tile : nullptr;
  if (block.rows == 1 && args.head_dim == w.dim && args.key_mask == nullptr) {
    const bool more = tile.first + 2 * kKeyTile <= args.length;
    return {tile,
            score,
            tile.value(0),
            args.values.position_stride,
            values.multiply,
            true,
            more ? tile.value(kKeyTile) : nullptr};
  }
  const bool finite = values.load_values(tile, w.dim, w.values);
  return {tile,
          score,
          bytes(w.values),
          w.dim * sizeof(float),
          kMultiply<Floats>,
          finite || block.rows == 1,
          nullptr};
}

// All rows of the block against the keys of one tile.
void attend_tile(const Worker& w, const Block& block, const Tile& tile) {
  const Operands operands = tile_operands(w, block, tile);
  if (w.args.key_mask != nullptr) load_hidden(tile, w.hidden);
  for (std::size_t first = 0; first < block.queries(); first += kRowTile) {
    const std::size_t left = block.queries() - first;
    Step step{block, first, smaller(left, kRowTile), tile.first, {kKeyTile, 0}, {}};
    for (std::size_t r = 0; r < step.count; ++r) {
      const KeyRange seen = in_tile(w.ranges[first + r], tile.first);
      step.rows[r] = seen;
      if (seen.begin == seen.end) continue;
      step.range.begin = smaller(step.range.begin, seen.begin);
      step.range.end = larger(step.range.end, seen.end);
    }
    if (step.range.begin < step.range.end) attend(w, step, operands);
  }
}

// Leaves in w.parts what the keys, of one chunk, give the rows of the block.
void attend_chunk(const Worker& w, const Block& block, KeyRange keys) {
  const std::size_t count = block.queries();
  std::memset(w.parts, 0, count * w.part * sizeof(float));
  for (std::size_t i = 0; i < count; ++i) max_of(w.parts + i * w.part, w.dim) = -kInfinity;
  for (std::size_t tile = keys.begin / kKeyTile * kKeyTile; tile < keys.end; tile += kKeyTile)
    attend_tile(w, block, {w.args, block.kv_head, tile, in_tile(keys, tile)});
}

// The parts of up to kLanes rows are taken into their totals.
struct Merge {
  std::size_t dim;
  std::size_t count = 0;
  float* totals[kLanes] = {};
  const float* parts[kLanes] = {};

  void add(float* total, const float* part) {
    totals[count] = total;
    parts[count] = part;
    if (++count == kLanes) flush();
  }
  void flush() {
    float old_factors[kLanes] = {};
    float new_factors[kLanes] = {};
    for (std::size_t i = 0; i < count; ++i) {
      float& max = max_of(totals[i], dim);
      const float before = max;
      const float other = parts[i][dim + 1];
      max = join_max(before, other);
      old_factors[i] = before - shift_of(max);
      new_factors[i] = other - shift_of(max);
    }
    store(old_factors, exp_nonpositive(load(old_factors)));
    store(new_factors, exp_nonpositive(load(new_factors)));
    for (std::size_t i = 0; i < count; ++i) {
      const float max = max_of(totals[i], dim);
      // The sum too, in the vector behind the outputs.
      for (std::size_t d = 0; d <= dim; d += kLanes) {
        const Vec before = mul(load(totals[i] + d), set1(old_factors[i]));
        store(totals[i] + d, fma(load(parts[i] + d), set1(new_factors[i]), before));
      }
      max_of(totals[i], dim) = max;
    }
    count = 0;
  }
};

// Takes w.parts, of one chunk, into the totals of the rows that see some of it.
void merge_chunk(const Worker& w, const Block& block, std::size_t chunk) {
  Merge merge{w.dim};
  for (std::size_t i = 0; i < block.queries(); ++i) {
    const KeyRange chunks = chunks_of(w.ranges[i]);
    if (chunk < chunks.begin || chunk >= chunks.end) continue;
    float* total = w.totals + i * w.part;
    const float* part = w.parts + i * w.part;
    if (chunk == chunks.begin) {
      std::memcpy(total, part, w.part * sizeof(float));
    } else {
      merge.add(total, part);
    }
  }
  merge.flush();
}

// out = a total divided by its sum.
void store_output(const AttentionArgs& args, const float* total, float* out) {
  const float gathered = total[padded_dim(args.head_dim)];
  const Vec sum = set1(gathered == 0.0f ? 1.0f : gathered);  // saw nothing: outputs are 0
  for (std::size_t d = 0; d < args.head_dim; d += kLanes) {
    const std::size_t left = args.head_dim - d;
    const Vec v = div(load(total + d), sum);
    if (left >= kLanes) {
      store(out + d, v);
    } else {
      store_first(out + d, v, left);
    }
  }
}

inline float* output_of(const AttentionArgs& args, std::size_t head, std::size_t row) {
  return args.out + row * args.out_stride + head * args.head_dim;
}

void attend_block(const Worker& w, const Block& block) {
  load_queries(w, block);
  const std::size_t count = block.queries();
  for (std::size_t i = 0; i < count; ++i)
    if (w.ranges[i].begin == w.ranges[i].end)
      std::memset(w.totals + i * w.part, 0, w.part * sizeof(float));
  const KeyRange keys = keys_of(w, block);
  const KeyRange chunks = chunks_of(keys);
  for (std::size_t chunk = chunks.begin; chunk < chunks.end; ++chunk) {
    attend_chunk(w, block, in_chunk(keys, chunk));
    merge_chunk(w, block, chunk);
  }
  for (std::size_t i = 0; i < count; ++i)
    store_output(w.args, w.totals + i * w.part, output_of(w.args, block.head(i), block.row(i)));
}

// Cuts heads and rows into blocks of whole row tiles of one head where there is room: their rows
// see about the same keys. Calls body(block).
template <class Body>
void for_blocks(const AttentionArgs& args, KeyRange heads, KeyRange rows, const Body& body) {
  const std::size_t group = args.heads / args.kv_heads;
  for (std::size_t head = heads.begin; head < heads.end;) {
    const std::size_t group_end = smaller((head / group + 1) * group, heads.end);
    const std::size_t count = smaller(group_end - head, kBlockQueries);
    const std::size_t room = kBlockQueries / count;
    const std::size_t step = room > kRowTile ? room / kRowTile * kRowTile : room;
    for (std::size_t row = rows.begin; row < rows.end; row += step)
      body(Block{head / group, head, row, count, smaller(step, rows.end - row)});
    head += count;
  }
}

void attention(const AttentionArgs& args, std::size_t head_begin, std::size_t head_end,
               std::size_t row_begin, std::size_t row_end, std::byte* scratch) noexcept {
  const Worker w = make_worker(args, scratch);
  for_blocks(args, {head_begin, head_end}, {row_begin, row_end},
             [&](const Block& block) { attend_block(w, block); });
}

void attention_part(const AttentionArgs& args, std::size_t head_begin, std::size_t head_end,
                    std::size_t chunk, const AttentionParts& parts, std::byte* scratch) noexcept {
  const Worker w = make_worker(args, scratch);
  for_blocks(args, {head_begin, head_end}, {0, args.rows}, [&](const Block& block) {
    load_queries(w, block);
    attend_chunk(w, block, in_chunk(keys_of(w, block), chunk));
    for (std::size_t i = 0; i < block.queries(); ++i)
      std::memcpy(part_of(args, parts, block.head(i), block.row(i), chunk), w.parts + i * w.part,
                  w.part * sizeof(float));
  });
}

void attention_merge(const AttentionArgs& args, std::size_t head_begin, std::size_t head_end,
                     const AttentionParts& parts) noexcept {
  const std::size_t dim = padded_dim(args.head_dim);
  for (std::size_t head = head_begin; head < head_end; ++head) {
    for (std::size_t row = 0; row < args.rows; ++row) {
      const KeyRange chunks = chunks_of(visible_keys(args, row));
      float* const out = output_of(args, head, row);
      if (chunks.begin == chunks.end) {
        std::memset(out, 0, args.head_dim * sizeof(float));
        continue;
      }
      float* const total = part_of(args, parts, head, row, chunks.begin);
      for (std::size_t chunk = chunks.begin + 1; chunk < chunks.end; ++chunk) {
        Merge merge{dim};
        merge.add(total, part_of(args, parts, head, row, chunk));
        merge.flush();
      }
      store_output(args, total, out);
    }
  }
}
