// A block of query rows in attention: what it works in, which keys it sees, and the online softmax
// of its scores. Included in an anonymous namespace, after generic/attention_tile.inl. The products
// come from generic/attention_f32.inl or attention_bf16.inl.

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
  float* weights;
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
          memory + at.weights,
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
  KeyRange range;               // what any of them sees, relative to the tile
  KeyRange rows[kMaxStepRows];  // what each sees

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
float weigh_scores(const Worker& w, const Step& step, std::size_t r, float shift);

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
  float shifts[kMaxStepRows];
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

// What any row of the block sees.
KeyRange keys_of(const Worker& w, const Block& block) {
  KeyRange keys{w.args.length, 0};
  for (std::size_t i = 0; i < block.rows; ++i) {
    if (w.ranges[i].begin == w.ranges[i].end) continue;
    keys = {smaller(keys.begin, w.ranges[i].begin), larger(keys.end, w.ranges[i].end)};
  }
  return keys.begin < keys.end ? keys : KeyRange{0, 0};
}

// Calls body(step) for the queries that see some of the tile, up to `Rows` at a time.
template <std::size_t Rows, class Body>
void for_steps(const Worker& w, const Block& block, const Tile& tile, const Body& body) {
  if (w.args.key_mask != nullptr) load_hidden(tile, w.hidden);
  for (std::size_t first = 0; first < block.queries(); first += Rows) {
    const std::size_t left = block.queries() - first;
    Step step{block, first, smaller(left, Rows), tile.first, {kKeyTile, 0}, {}};
    for (std::size_t r = 0; r < step.count; ++r) {
      const KeyRange seen = in_tile(w.ranges[first + r], tile.first);
      step.rows[r] = seen;
      if (seen.begin == seen.end) continue;
      step.range.begin = smaller(step.range.begin, seen.begin);
      step.range.end = larger(step.range.end, seen.end);
    }
    if (step.range.begin < step.range.end) body(step);
  }
}
