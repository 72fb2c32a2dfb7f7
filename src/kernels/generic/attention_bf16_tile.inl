// Queries, and a tile of cached keys and values, in bfloat16, each rounded once. Included in an
// anonymous namespace, after generic/attention_softmax_bf16.inl.
//
// The layouts are those of generic/linear_bf16.inl: queries are rows; keys (of a tile) are the
// outputs of the first product, channels those of the second.

constexpr std::size_t kValuePanel = kWeightSteps * kStepWords;  // words of a panel of channels
static_assert(kLanes == kPanel && kMaxLanes == kPanel);

inline std::size_t key_steps(const Worker& w) {
  return (w.args.head_dim + kStepInputs - 1) / kStepInputs;
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
                    mul(set1(score_scale(args)), v));
    }
    w.ranges[i] = visible_keys(args, block.row(i));
  }
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

// What depends on a cache's type. bytes: what so many values take.
struct Rounding {
  std::size_t (*bytes)(std::size_t);
  void (*keys)(const Worker&, const Tile&) noexcept;
  bool (*values)(const Worker&, const Tile&) noexcept;
};
template <class Row>
constexpr Rounding kRounding = {Row::bytes, round_keys<Row>, round_values<Row>};
inline const Rounding& rounding(DType dtype) {
  if (dtype == DType::f16) return kRounding<F16Row>;
  return dtype == DType::f32 ? kRounding<F32Row> : kRounding<Q8Row>;
}

// Asks for part `i` of `count` of the next tile's keys and values.
void prefetch_next(const Tile& tile, std::size_t i, std::size_t count) {
  const AttentionArgs& args = tile.args;
  if (tile.first + 2 * kKeyTile > args.length) return;
  const std::size_t key_bytes = rounding(args.keys.dtype).bytes(args.head_dim);
  const std::size_t value_bytes = rounding(args.values.dtype).bytes(args.head_dim);
  for (std::size_t key = i * kKeyTile / count; key < (i + 1) * kKeyTile / count; ++key) {
    prefetch_span(tile.key(kKeyTile + key), key_bytes);
    prefetch_span(tile.value(kKeyTile + key), value_bytes);
  }
}
