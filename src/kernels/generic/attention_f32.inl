// The products of attention in f32. Included in an anonymous namespace, after
// generic/attention_cache.inl and what defines kQ8Cache.

struct Units {};  // nothing to set up

inline const CacheType& cache_type(DType dtype) {
  if (dtype == DType::f16) return kCacheType<F16Row, Halves>;
  return dtype == DType::f32 ? kCacheType<F32Row, Floats> : kQ8Cache;
}

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

// The keys and values of a tile, decoded or in the cache itself.
struct Operands {
  const Tile& tile;
  const ScoreTile* score;  // where the keys are still in the cache
  const std::byte* values;
  std::size_t stride;  // bytes
  const Multiply* multiply;
  bool finite;
  const std::byte* next_values;  // of the next tile, to be asked for; nullptr for none
  Gather gather = nullptr;       // instead of multiply
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

// outputs = outputs * factors + weights * values.
void gather(const Worker& w, const Step& step, const Operands& operands, const float* factors) {
  if (operands.gather != nullptr)
    return operands.gather(w, step, operands.tile, factors, operands.next_values);
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

// Takes the tile into the step's rows.
void attend(const Worker& w, const Step& step, const Operands& operands) {
  score(w, step, operands);
  alignas(64) float factors[kMaxStepRows];
  for (std::size_t r = 0; r < step.count; r += kLanes) store(factors + r, set1(0.0f));
  update_softmax(w, step, factors);
  gather(w, step, operands, factors);
}

void load_queries(const Worker& w, const Block& block) {
  const AttentionArgs& args = w.args;
  const auto prepare = cache_type(args.keys.dtype).prepare_query;
  for (std::size_t i = 0; i < block.queries(); ++i) {
    const float* q = args.q + block.row(i) * args.q_stride + block.head(i) * args.head_dim;
    float* dst = w.queries + i * w.dim;
    for (std::size_t d = 0; d < args.head_dim; d += kLanes) {
      const std::size_t left = args.head_dim - d;
      store(dst + d, mul(set1(args.scale), left >= kLanes ? load(q + d) : load_first(q + d, left)));
    }
    if (prepare != nullptr) prepare(dst, w.dim);
    w.ranges[i] = visible_keys(args, block.row(i));
  }
}

// Few rows read the cache where it lies: decoding it first only pays for many. (One position also
// means that all see the same values, so that none must be kept from a row.)
Operands tile_operands(const Worker& w, const Block& block, const Tile& tile) {
  const AttentionArgs& args = w.args;
  const CacheType& keys = cache_type(args.keys.dtype);
  const CacheType& values = cache_type(args.values.dtype);
  const bool few = block.queries() <= kRowTile || keys.load_keys == nullptr;
  if (!few) keys.load_keys(tile, w.staging, w.keys);
  const ScoreTile* const score = few ? keys.score_tile : nullptr;
  const bool same_values = block.rows == 1 && args.head_dim == w.dim && args.key_mask == nullptr;
  if (same_values || values.load_values == nullptr) {
    const bool more = tile.first + 2 * kKeyTile <= args.length;
    return {tile,
            score,
            tile.value(0),
            args.values.position_stride,
            values.multiply,
            true,
            more ? tile.value(kKeyTile) : nullptr,
            values.gather};
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
  for_steps<kRowTile>(w, block, tile, [&](const Step& step) { attend(w, step, operands); });
}
