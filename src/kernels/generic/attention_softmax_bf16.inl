// The online softmax of attention in bfloat16. Included in an anonymous namespace, after
// generic/attention_block.inl, an ISA's words.inl and softmax.inl, and generic/bf16_job.inl.
//
// Scores are exponents of 2. What is subtracted from those of a row is the maximum of its first
// tile, until a tile has one that is larger by more than kSlack: so outputs are rarely scaled
// again, and weights are at most 2^kSlack. The sum of a row is that of its rounded weights, so that
// they add up to 1.

constexpr std::size_t kSoftmaxRows = 8;  // whose maxima are taken side by side
constexpr float kSlack = 8.0f;
constexpr float kLog2E = 1.44269504f;
constexpr float kLn2 = 0.693147181f;
constexpr float kLowest = -3.4028235e38f;
static_assert(kSoftmaxRows <= kLanes && kBlockQueries % kSoftmaxRows == 0);

constexpr std::size_t kWeightSteps = kKeyTile / kStepInputs;     // of a tile
constexpr std::size_t kWeightBlock = kWeightSteps * kTileWords;  // words of a block of rows

inline std::uint16_t* words(float* memory) {
  return reinterpret_cast<std::uint16_t*>(memory);
}

// Input `i` of row `row` in blocks of kBf16Rows rows, `block` words each.
inline std::size_t word_at(std::size_t row, std::size_t i, std::size_t block) {
  return row / kBf16Rows * block + i / kStepInputs * kTileWords + row % kBf16Rows * kStepInputs +
         i % kStepInputs;
}

// What the products of queries and keys are multiplied with.
inline float score_scale(const AttentionArgs& args) {
  return plain_scores(args) ? args.scale * kLog2E : args.scale;
}

// Before the first tile of a chunk, and after the last.
void begin_chunk(const Worker& w, std::size_t count) {
  for (std::size_t i = 0; i < count; ++i) {
    w.sums[i] = 0.0f;
    w.maxima[i] = -kInfinity;
  }
}
void end_chunk(const Worker& w, std::size_t count) {
  for (std::size_t i = 0; i < count; ++i) {
    float* const part = w.parts + i * w.part;
    sum_of(part, w.dim) = w.sums[i];
    max_of(part, w.dim) = w.maxima[i] * kLn2;  // parts have exponents of e
  }
}

// The scores of row r where the row does not see the whole tile, or they are not plain: exponents
// of 2, and -inf where it sees nothing.
void finish_scores(const Worker& w, const Step& step, std::size_t r) {
  const bool plain = plain_scores(w.args);
  if (!plain && r < step.count) adjust_scores(w, step, r);
  float* const scores = step.scores + r * kKeyTile;
  const Vec unit = set1(plain ? 1.0f : kLog2E);
  for (std::size_t i = 0; i < kKeyTile; i += kLanes)
    store(scores + i,
          select(seen_lanes(step.rows[r], i), mul(unit, load(scores + i)), set1(-kInfinity)));
}

inline Vec top_of(const float* scores) {
  Vec top = load(scores);
  for (std::size_t i = kLanes; i < kKeyTile; i += kLanes) top = max(top, load(scores + i));
  return top;
}

// outputs = outputs * factors.
void rescale(const Worker& w, std::size_t query, std::size_t count, const float* factors) {
  for (std::size_t r = 0; r < count; ++r) {
    if (factors[r] == 1.0f) continue;
    float* const y = w.parts + (query + r) * w.part;
    for (std::size_t d = 0; d < w.dim; d += kLanes)
      store(y + d, mul(load(y + d), set1(factors[r])));
  }
}

// Takes the maxima of rows into theirs so far, and scales sums and outputs where that moved what to
// subtract from scores; returns that. (A NaN may get lost here: its weight is NaN anyway.)
inline Vec update_maxima(const Worker& w, std::size_t query, std::size_t count, Vec tops) {
  const Mask rows = lanes(0, count);
  const Vec before = load_lanes(w.maxima + query, rows);
  const Vec top = select(rows, tops, set1(-kInfinity));
  const Vec after = select(less(add(before, set1(kSlack)), top), top, before);
  store_first(w.maxima + query, after, count);
  const Vec shift = max(after, set1(kLowest));
  // With nothing seen before there is nothing to scale.
  const Vec factor =
      select(less(before, set1(kLowest)), set1(1.0f), exp2_rough(sub(before, shift)));
  if (any(less(factor, set1(1.0f)))) {
    alignas(64) float factors[kLanes];
    store(factors, factor);
    rescale(w, query, count, factors);
    const Vec sums = load_lanes(w.sums + query, rows);
    store_first(w.sums + query, mul(sums, factor), count);
  }
  return shift;
}

// A step on its way.
struct Turn {
  Step step;
  std::uint16_t* weights;               // in blocks of rows
  std::size_t weighed;                  // rows that have their weights
  float shifts[kMaxStepRows + kLanes];  // what to subtract from scores
};

// Shifts of rows [first, first + kSoftmaxRows).
void shift_rows(const Worker& w, Turn& turn, std::size_t first) {
  const Step& step = turn.step;
  if (!step.whole || !plain_scores(w.args))
    for (std::size_t r = first; r < first + kSoftmaxRows; ++r) finish_scores(w, step, r);
  const float* const scores = step.scores + first * kKeyTile;
  Vec tops[kSoftmaxRows];
  unroll<kSoftmaxRows>([&](auto r)
                           HALFBYTE_INLINE_LAMBDA { tops[r] = top_of(scores + r * kKeyTile); });
  const auto larger_of = [](Vec a, Vec b) HALFBYTE_INLINE_LAMBDA { return max(a, b); };
  store(turn.shifts + first,
        update_maxima(w, step.first + first, smaller(step.count - first, kSoftmaxRows),
                      reduce_rows(tops, larger_of)));
}

// The softmax of a step begins with the shifts of its rows,
void begin_softmax(const Worker& w, Turn& turn) {
  for (std::size_t first = 0; first < turn.step.count; first += kSoftmaxRows)
    shift_rows(w, turn, first);
  turn.weighed = 0;
}

// and goes on with the weights 2^(score - shift) of the next row, and their sum.
HALFBYTE_INLINE void weigh_next(const Worker& w, Turn& turn) {
  const std::size_t r = turn.weighed;
  if (r >= turn.step.count) return;
  turn.weighed = r + 1;
  const float* const scores = turn.step.scores + r * kKeyTile;
  std::uint16_t* const weights = turn.weights + word_at(r, 0, kWeightBlock);
  const Vec shift = set1(turn.shifts[r]);
  Vec sums = set1(0.0f);
  unroll<kWeightSteps>([&](auto i) HALFBYTE_INLINE_LAMBDA {
    const float* const from = scores + i * kStepInputs;
    sums = store_weights(weights + i * kTileWords, exp2_rough(sub(load(from), shift)),
                         exp2_rough(sub(load(from + kLanes), shift)), sums);
  });
  w.sums[turn.step.first + r] += reduce_add(sums);
}
