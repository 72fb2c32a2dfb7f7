// Cached rows of each type, and a tile of them, over the vocabulary of an ISA's vec.h. Included in
// an anonymous namespace, after generic/attention_product.inl.

inline Vec load_half_some(const std::byte* p, std::size_t n) {
  if (n >= kLanes) return load_half(p);
  std::byte rest[kLanes * 2] = {};
  std::memcpy(rest, p, n * 2);
  return load_half(rest);
}

// Decoders of cached rows. bytes: what n values take. get: the values from i on, of which `left`
// exist, then zeros. A word is 32 bits of each of kLanes rows, with kInWord values of each: split
// gives them, word 0 starts at offset(i) for values from i on, a multiple of kColumns.
// for_columns: take(j, values [i + j] of kLanes rows, `stride` bytes apart) for j in [0, kColumns);
// as many exist.
template <class Row>
struct Columns {
  template <class Take>
  static void for_columns(const std::byte* rows, std::size_t stride, std::size_t i,
                          const Take& take) {
    const auto scales = Row::scales(rows, stride, i);
    Vec columns[4];
    Vec values[Row::kInWord];
    load_columns(rows + Row::offset(i), stride, columns);
    for (std::size_t j = 0; j < 4; ++j) {
      Row::split(columns[j], scales, values);
      for (std::size_t k = 0; k < Row::kInWord; ++k) take(j * Row::kInWord + k, values[k]);
    }
  }
};
struct F32Row : Columns<F32Row> {
  static constexpr std::size_t kInWord = 1;
  static constexpr std::size_t kColumns = 4 * kInWord;
  struct Scales {};
  static constexpr std::size_t bytes(std::size_t n) { return 4 * n; }
  static constexpr std::size_t offset(std::size_t i) { return bytes(i); }
  static Vec get(const std::byte* row, std::size_t i, std::size_t left) {
    const auto* floats = reinterpret_cast<const float*>(row) + i;
    return left >= kLanes ? load(floats) : load_first(floats, left);
  }
  static Scales scales(const std::byte*, std::size_t, std::size_t) { return {}; }
  static void split(Vec word, Scales, Vec (&values)[1]) { values[0] = word; }
};
struct F16Row : Columns<F16Row> {
  static constexpr std::size_t kInWord = 2;
  static constexpr std::size_t kColumns = 4 * kInWord;
  struct Scales {};
  static constexpr std::size_t bytes(std::size_t n) { return 2 * n; }
  static constexpr std::size_t offset(std::size_t i) { return bytes(i); }
  static Vec get(const std::byte* row, std::size_t i, std::size_t left) {
    return load_half_some(row + 2 * i, left);
  }
  static Scales scales(const std::byte*, std::size_t, std::size_t) { return {}; }
  static void split(Vec word, Scales, Vec (&values)[2]) { split_halves(word, values); }
};
struct Q8Row : Columns<Q8Row> {
  static constexpr std::size_t kInWord = 4;
  static constexpr std::size_t kColumns = 4 * kInWord;
  using Scales = Vec;
  static constexpr std::size_t bytes(std::size_t n) { return n / kQ8Block * kQ8BlockBytes; }
  static constexpr std::size_t offset(std::size_t i) { return bytes(i) + 2 + i % kQ8Block; }
  static Vec get(const std::byte* row, std::size_t i, std::size_t /*left*/) {
    return Codes::get(row, i);
  }
  static Scales scales(const std::byte* rows, std::size_t stride, std::size_t i) {
    return mul(gather_halves(rows + bytes(i), stride), set1(kByteUnit));
  }
  static void split(Vec word, Scales scales, Vec (&values)[4]) {
    split_bytes(word, values);
    for (Vec& v : values) v = mul(scales, v);
  }
};

inline bool is_hidden(const AttentionArgs& args, std::size_t key) {
  return args.key_mask != nullptr && args.key_mask[key] == 0;
}

inline const std::byte* cached(const CacheView& view, std::size_t kv_head, std::size_t position) {
  return view.data + kv_head * view.head_stride + position * view.position_stride;
}

// A tile: its first key, and what any row of a block sees of it.
struct Tile {
  const AttentionArgs& args;
  std::size_t kv_head;
  std::size_t first;
  KeyRange range;  // relative to `first`

  const std::byte* key(std::size_t i) const { return cached(args.keys, kv_head, first + i); }
  const std::byte* value(std::size_t i) const { return cached(args.values, kv_head, first + i); }
  bool hidden(std::size_t i) const { return is_hidden(args, first + i); }
};

// kLanes cached rows, `stride` bytes apart, for for_columns.
struct KeyRows {
  const std::byte* data;
  std::size_t stride;
};

// Keys [first, first + kLanes) of the tile: in the cache, or, where some are hidden or do not exist
// or end within a column, copied with zeros in their place, so that they cannot bring a NaN in.
template <class Row>
KeyRows key_rows(const Tile& tile, std::size_t first, float* staging) {
  const AttentionArgs& args = tile.args;
  if (args.key_mask == nullptr && args.head_dim % Row::kColumns == 0 &&
      tile.first + first + kLanes <= args.length)
    return {tile.key(first), args.keys.position_stride};
  const std::size_t stride = padded_dim(args.head_dim) * sizeof(float);
  auto* const rows = reinterpret_cast<std::byte*>(staging);
  std::memset(rows, 0, kLanes * stride);
  const std::size_t end = first + kLanes < tile.range.end ? first + kLanes : tile.range.end;
  for (std::size_t key = first > tile.range.begin ? first : tile.range.begin; key < end; ++key)
    if (!tile.hidden(key))
      std::memcpy(rows + (key - first) * stride, tile.key(key), Row::bytes(args.head_dim));
  return {rows, stride};
}
