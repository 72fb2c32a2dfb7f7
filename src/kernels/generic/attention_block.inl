// A block of query rows in attention: what it works in, which keys it sees, and what is done to
// scores before their softmax. Included in an anonymous namespace, after
// generic/attention_tile.inl. The softmax and the products come from generic/attention_softmax.inl
// and attention_f32.inl, or from attention_softmax_bf16.inl and attention_bf16.inl.

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
  float* sums;
  float* maxima;
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
          memory + at.sums,
          memory + at.maxima,
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

// True if scores are scaled products and no more.
inline bool plain_scores(const AttentionArgs& args) {
  return args.softcap <= 0.0f && args.bias == nullptr && args.key_mask == nullptr;
}

// Queries [first, first + count) of a block in one tile.
struct Step {
  const Block* block;
  std::size_t first;
  std::size_t count;
  std::size_t tile;
  KeyRange range;               // what any of them sees, relative to the tile
  KeyRange rows[kMaxStepRows];  // what each sees
  bool whole;                   // each sees the whole tile
  float* scores;                // [count][kKeyTile]

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
  float* scores = step.scores + r * kKeyTile;
  const float* bias = nullptr;
  if (args.bias != nullptr) {
    const auto position = static_cast<std::ptrdiff_t>(args.first_position + step.block->row(query));
    bias = args.bias +
           static_cast<std::ptrdiff_t>(step.block->head(query) * args.bias_head_stride) +
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

// What any row of the block sees.
KeyRange keys_of(const Worker& w, const Block& block) {
  KeyRange keys{w.args.length, 0};
  for (std::size_t i = 0; i < block.rows; ++i) {
    if (w.ranges[i].begin == w.ranges[i].end) continue;
    keys = {smaller(keys.begin, w.ranges[i].begin), larger(keys.end, w.ranges[i].end)};
  }
  return keys.begin < keys.end ? keys : KeyRange{0, 0};
}

// True if all rows of the block see the whole tile.
bool all_see(const Worker& w, const Block& block, std::size_t tile) {
  for (std::size_t i = 0; i < block.rows; ++i)
    if (w.ranges[i].begin > tile || w.ranges[i].end < tile + kKeyTile) return false;
  return true;
}

// Finds out what the queries of a step see, of which `rows` have room.
inline void look_at_tile(const Worker& w, std::size_t rows, Step& step) {
  step.range = {kKeyTile, 0};
  step.whole = true;
  for (std::size_t r = 0; r < rows; ++r) {
    const bool exists = r < step.count;
    const KeyRange seen = exists ? in_tile(w.ranges[step.first + r], step.tile) : KeyRange{0, 0};
    step.rows[r] = seen;
    step.whole = step.whole && (!exists || seen.end - seen.begin == kKeyTile);
    if (seen.begin == seen.end) continue;
    step.range.begin = smaller(step.range.begin, seen.begin);
    step.range.end = larger(step.range.end, seen.end);
  }
}

// The next step, up to `Rows` queries from `first` on, of which one sees some of the tile (its
// memory for scores stays as it is). False if there is none. whole: all see the whole tile.
template <std::size_t Rows>
bool find_step(const Worker& w, const Block& block, std::size_t tile, bool whole, std::size_t first,
               Step& step) {
  for (; first < block.queries(); first += Rows) {
    step.block = &block;
    step.first = first;
    step.count = smaller(block.queries() - first, Rows);
    step.tile = tile;
    step.range = {0, kKeyTile};
    step.whole = true;
    if (whole) {
      for (std::size_t r = 0; r < Rows; ++r) step.rows[r] = step.range;
    } else {
      look_at_tile(w, Rows, step);
    }
    if (step.range.begin < step.range.end) return true;
  }
  return false;
}

// Calls body(step) for all steps.
template <std::size_t Rows, class Body>
void for_steps(const Worker& w, const Block& block, const Tile& tile, const Body& body) {
  if (w.args.key_mask != nullptr) load_hidden(tile, w.hidden);
  const bool whole = all_see(w, block, tile.first);
  Step step;
  step.scores = w.scores;
  for (std::size_t first = 0; find_step<Rows>(w, block, tile.first, whole, first, step);
       first = step.first + Rows)
    body(step);
}
