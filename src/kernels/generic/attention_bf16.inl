// The products of attention in bfloat16, for many queries. Included in an anonymous namespace,
// after generic/attention_bf16_tile.inl and an ISA's tiles.inl.
//
// Queries, keys, weights and values are rounded; scores, the softmax and the outputs stay f32.
// Whole tiles are multiplied, with weight 0 where a row sees nothing.

using Units = Tiles;
static_assert(Tiles::kRows <= kMaxStepRows);

// Panels [first, last) of a product, two at a time; y is that of panel 0. beside() is work that
// they leave time for.
template <class Beside>
void multiply_panels(Job& job, std::size_t first, std::size_t last, const Beside& beside) {
  const std::uint16_t* const b = job.b;
  float* const y = job.y;
  for (std::size_t panel = first; panel < last; panel += 2) {
    job.panels = last - panel < 2 ? 1 : 2;
    job.columns = job.panels * kPanel;
    job.b = b + panel * job.b_panel;
    job.y = y + panel * kPanel;
    Tiles::multiply(job, beside);
  }
}

template <class Beside>
void score(const Worker& w, const Step& step, const Beside& beside) {
  Job job{};
  job.steps = key_steps(w);
  job.a_block = job.steps * kTileWords;
  job.a = words(w.queries) + word_at(step.first, 0, job.a_block);
  job.rows = step.count;
  job.b = words(w.keys);
  job.b_panel = job.steps * kStepWords;
  job.y = step.scores;
  job.stride = kKeyTile;
  multiply_panels(job, step.begin() / kPanel, step.end() / kPanel, beside);
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
// gets values of its own. (Tiles read the block of 16 rows that begins with the row: past the last
// block of weights that is other scratch, for rows that nobody keeps.)
void multiply_rows(const Worker& w, const Turn& turn, Job& job) {
  const Step& step = turn.step;
  std::uint16_t* const seen = words(w.values) + kKeyTile * w.dim;  // rounded, they take half
  job.rows = 1;
  for (std::size_t r = 0; r < step.count; ++r) {
    copy_seen_values(w, step.rows[r], seen);
    job.a = turn.weights + word_at(r, 0, kWeightBlock);
    job.b = seen;
    job.y = w.parts + (step.first + r) * w.part;
    multiply_panels(job, 0, w.dim / kPanel, [] {});
  }
}

// Outputs + weights * values.
template <class Beside>
void add_values(const Worker& w, const Turn& turn, bool finite, const Beside& beside) {
  Job job{};
  job.steps = kWeightSteps;
  job.a_block = kWeightBlock;
  job.a = turn.weights;
  job.rows = turn.step.count;
  job.b = words(w.values);
  job.b_panel = kValuePanel;
  job.y = w.parts + turn.step.first * w.part;
  job.stride = w.part;
  job.add = true;
  finite ? multiply_panels(job, 0, w.dim / kPanel, beside) : multiply_rows(w, turn, job);
}

// Two steps take turns.
struct Turns {
  Turn turns[2];

  explicit Turns(const Worker& w) {
    for (std::size_t i = 0; i < 2; ++i) {
      turns[i].step.scores = w.scores + i * kMaxStepRows * kKeyTile;
      turns[i].weights = words(w.weights) + i * kMaxStepRows * kKeyTile;
    }
  }
  Turn& operator[](std::size_t i) { return turns[i % 2]; }
};

// All rows of the block against the keys of one tile. Weights are made row by row beside the
// products, with whose multiply-adds they hardly take turns: the first rows of a step beside those
// of the step before with the values, the others beside those of the step after with the keys.
void attend_steps(const Worker& w, const Block& block, const Tile& tile, bool finite) {
  const bool whole = all_see(w, block, tile.first);
  const std::size_t steps = (block.queries() + Tiles::kRows - 1) / Tiles::kRows;
  Turns turns(w);
  bool more = find_step<Tiles::kRows>(w, block, tile.first, whole, 0, turns[0].step);
  if (!more) return;
  score(w, turns[0].step, [] {});
  begin_softmax(w, turns[0]);
  for (std::size_t i = 0; more; ++i) {
    Turn& turn = turns[i];
    Turn& next = turns[i + 1];
    prefetch_next(tile, turn.step.first / Tiles::kRows, steps);
    more = find_step<Tiles::kRows>(w, block, tile.first, whole, turn.step.first + Tiles::kRows,
                                   next.step);
    if (!more) next.step.count = 0;
    if (more) score(w, next.step, [&]() HALFBYTE_INLINE_LAMBDA { weigh_next(w, turn); });
    while (turn.weighed < turn.step.count) weigh_next(w, turn);
    begin_softmax(w, next);
    add_values(w, turn, finite, [&]() HALFBYTE_INLINE_LAMBDA { weigh_next(w, next); });
  }
}

void attend_tile(const Worker& w, const Block& block, const Tile& tile) {
  rounding(w.args.keys.dtype).keys(w, tile);
  const bool finite = rounding(w.args.values.dtype).values(w, tile);
  if (w.args.key_mask != nullptr) load_hidden(tile, w.hidden);
  attend_steps(w, block, tile, finite);
}
