// The products of attention in bfloat16, for many queries. Included in an anonymous namespace,
// after generic/attention_block.inl, an ISA's words.inl, generic/bf16_job.inl and an ISA's
// tiles.inl.
//
// Queries, keys, weights and values are rounded once each; scores, the softmax and the outputs stay
// f32. The sum of a row is that of its rounded weights, so that they add up to 1. Both products
// have the layouts of generic/linear_bf16.inl: keys (of a tile) are the outputs of the first,
// channels those of the second. Whole tiles are multiplied, with weight 0 where a row sees nothing.

using Units = Tiles;

constexpr std::size_t kWeightSteps = kKeyTile / kStepInputs;     // of a tile
constexpr std::size_t kWeightBlock = kWeightSteps * kTileWords;  // words of a block of rows
constexpr std::size_t kValuePanel = kWeightSteps * kStepWords;   // words of a panel of channels
static_assert(kLanes == kPanel && kMaxLanes == kPanel && Tiles::kRows <= kMaxStepRows);

inline std::uint16_t* words(float* memory) {
  return reinterpret_cast<std::uint16_t*>(memory);
}
inline std::size_t key_steps(const Worker& w) {
  return (w.args.head_dim + kStepInputs - 1) / kStepInputs;
}
// Input `i` of row `row` in blocks of kBf16Rows rows, `block` words each.
inline std::size_t word_at(std::size_t row, std::size_t i, std::size_t block) {
  return row / kBf16Rows * block + i / kStepInputs * kTileWords + row % kBf16Rows * kStepInputs +
         i % kStepInputs;
}

void load_queries(const Worker& w, const Block& block) {
  const AttentionArgs& args = w.args;
  const std::size_t end = key_steps(w) * kStepInputs;
  for (std::size_t i = 0; i < block.queries(); ++i) {
    const float* q = args.q + block.row(i) * args.q_stride + block.head(i) * args.head_dim;
    for (std::size_t d = 0; d < end; d += kLanes) {
      const std::size_t left = args.head_dim > d ? args.head_dim - d : 0;
      const Vec v = left >= kLanes ? load(q + d) : load_first(q + d, left);
      store_rounded(words(w.queries) + word_at(i, d, key_steps(w) * kTileWords),
                    mul(set1(args.scale), v));
    }
    w.ranges[i] = visible_keys(args, block.row(i));
  }
}

// The weights of the whole tile.
float weigh_scores(const Worker& w, const Step& step, std::size_t r, float shift) {
  const float* scores = w.scores + r * kKeyTile;
  Vec sum = set1(0.0f);
  for (std::size_t i = 0; i < kKeyTile; i += kLanes) {
    Vec v = set1(0.0f);
    if (i >= step.begin() && i < step.end())
      v = exp_nonpositive(sub(load(scores + i), set1(shift)));
    sum = add(sum, store_rounded(words(w.weights) + word_at(r, i, kWeightBlock), v));
  }
  return reduce_add(sum);
}

// The keys of the tile in panels of kLanes.
template <class Row>
void round_keys(const Worker& w, const Tile& tile) noexcept {
  const std::size_t dim = tile.args.head_dim;
  const std::size_t whole = (dim + Row::kColumns - 1) / Row::kColumns * Row::kColumns;
  const std::size_t panel = key_steps(w) * kStepWords;
  for (std::size_t i = tile.range.begin / kLanes * kLanes; i < tile.range.end; i += kLanes) {
    const KeyRows rows = key_rows<Row>(tile, i, w.staging);
    std::uint16_t* const dst = words(w.keys) + i / kLanes * panel;
    for (std::size_t d = 0; d < dim; d += Row::kColumns) {
      Vec even = set1(0.0f);
      Row::for_columns(rows.data, rows.stride, d, [&](std::size_t j, Vec column) {
        if (j % 2 == 0) {
          even = column;
        } else {
          store_bf16_pairs(dst + (d + j - 1) * kLanes, even, column);
        }
      });
    }
    std::memset(dst + whole * kLanes, 0, (panel - whole * kLanes) * sizeof(std::uint16_t));
  }
}

// Channels [d, d + kLanes) of the value of a key; zeros if it is not in the range.
template <class Row>
inline Vec value_of(const Tile& tile, std::size_t key, std::size_t d) {
  if (key < tile.range.begin || key >= tile.range.end || tile.hidden(key)) return set1(0.0f);
  return Row::get(tile.value(key), d, tile.args.head_dim - d);
}

// The values of the whole tile in panels of kLanes channels. True if all are finite.
template <class Row>
bool round_values(const Worker& w, const Tile& tile) noexcept {
  const Vec zero = set1(0.0f);
  Vec check = zero;
  for (std::size_t key = 0; key < kKeyTile; key += 2) {
    std::uint16_t* dst = words(w.values) + key * kLanes;
    for (std::size_t d = 0; d < tile.args.head_dim; d += kLanes, dst += kValuePanel) {
      const Vec even = value_of<Row>(tile, key, d);
      const Vec odd = value_of<Row>(tile, key + 1, d);
      check = fma(even, zero, fma(odd, zero, check));
      store_bf16_pairs(dst, even, odd);
    }
  }
  return !any(is_nan(check));
}

// What depends on a cache's type.
struct Rounding {
  void (*keys)(const Worker&, const Tile&) noexcept;
  bool (*values)(const Worker&, const Tile&) noexcept;
};
template <class Row>
constexpr Rounding kRounding = {round_keys<Row>, round_values<Row>};
inline const Rounding& rounding(DType dtype) {
  if (dtype == DType::f16) return kRounding<F16Row>;
  return dtype == DType::f32 ? kRounding<F32Row> : kRounding<Q8Row>;
}

// Panels [first, last) of a product, two at a time; y is that of panel 0.
void multiply_panels(Job job, std::size_t first, std::size_t last) {
  const std::uint16_t* const b = job.b;
  float* const y = job.y;
  for (std::size_t panel = first; panel < last; panel += 2) {
    job.panels = last - panel < 2 ? 1 : 2;
    job.columns = job.panels * kPanel;
    job.b = b + panel * job.b_panel;
    job.y = y + panel * kPanel;
    Tiles::multiply(job);
  }
}

void score(const Worker& w, const Step& step) {
  Job job{};
  job.steps = key_steps(w);
  job.a_block = job.steps * kTileWords;
  job.a = words(w.queries) + word_at(step.first, 0, job.a_block);
  job.rows = step.count;
  job.b = words(w.keys);
  job.b_panel = job.steps * kStepWords;
  job.y = w.scores;
  job.stride = kKeyTile;
  multiply_panels(job, step.begin() / kPanel, step.end() / kPanel);
}

// outputs = outputs * factors.
void rescale(const Worker& w, const Step& step, const float* factors) {
  for (std::size_t r = 0; r < step.count; ++r) {
    if (factors[r] == 1.0f) continue;
    float* const y = w.parts + (step.first + r) * w.part;
    for (std::size_t d = 0; d < w.dim; d += kLanes)
      store(y + d, mul(load(y + d), set1(factors[r])));
  }
}

// The values of the tile, zeros for keys outside the range.
void copy_seen_values(const Worker& w, KeyRange seen, std::uint16_t* to) {
  const std::uint16_t* const from = words(w.values);
  for (std::size_t i = 0; i < kKeyTile * w.dim; ++i) {
    const std::size_t key = i % kValuePanel / (2 * kPanel) * 2 + i % 2;
    to[i] = key >= seen.begin && key < seen.end ? from[i] : std::uint16_t{0};
  }
}

// A weight 0 would turn an infinity or NaN of a key that the row does not see into NaN: each row
// gets values of its own.
void multiply_rows(const Worker& w, const Step& step, Job job) {
  std::uint16_t* const seen = words(w.values) + kKeyTile * w.dim;  // rounded, they take half
  job.rows = 1;
  job.b = seen;
  for (std::size_t r = 0; r < step.count; ++r, job.y += w.part) {
    copy_seen_values(w, step.rows[r], seen);
    job.a = words(w.weights) + word_at(r, 0, kWeightBlock);
    multiply_panels(job, 0, w.dim / kPanel);
  }
}

void attend(const Worker& w, const Step& step, bool finite) {
  score(w, step);
  alignas(64) float factors[kMaxStepRows] = {};
  update_softmax(w, step, factors);
  rescale(w, step, factors);
  Job job{};
  job.steps = kWeightSteps;
  job.a_block = kWeightBlock;
  job.a = words(w.weights);
  job.rows = step.count;
  job.b = words(w.values);
  job.b_panel = kValuePanel;
  job.y = w.parts + step.first * w.part;
  job.stride = w.part;
  job.add = true;
  finite ? multiply_panels(job, 0, w.dim / kPanel) : multiply_rows(w, step, job);
}

// All rows of the block against the keys of one tile.
void attend_tile(const Worker& w, const Block& block, const Tile& tile) {
  rounding(w.args.keys.dtype).keys(w, tile);
  const bool finite = rounding(w.args.values.dtype).values(w, tile);
  for_steps<Tiles::kRows>(w, block, tile, [&](const Step& step) { attend(w, step, finite); });
}
