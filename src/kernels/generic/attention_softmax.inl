// The online softmax of attention in f32. Included in an anonymous namespace, after
// generic/attention_block.inl.

// Before the first tile of a chunk (parts are zero), and after the last.
void begin_chunk(const Worker& w, std::size_t count) {
  for (std::size_t i = 0; i < count; ++i) max_of(w.parts + i * w.part, w.dim) = -kInfinity;
}
void end_chunk(const Worker& /*w*/, std::size_t /*count*/) {}

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

// The online softmax: makes weights of the scores, brings maxima and sums up to date, and returns
// in factors[] what the outputs so far must be multiplied with.
void update_softmax(const Worker& w, const Step& step, float* factors) {
  float* part = w.parts + step.first * w.part;
  float shifts[kMaxStepRows];
  const bool plain = plain_scores(w.args);
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
