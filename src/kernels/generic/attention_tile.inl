// Cached rows of each type, and a tile of them, over the vocabulary of an ISA's vec.h. Included in
// an anonymous namespace, after generic/attention_product.inl.

inline Vec load_half_some(const std::byte* p, std::size_t n) {
  if (n >= kLanes) return load_half(p);
  std::byte rest[kLanes * 2] = {};
  std::memcpy(rest, p, n * 2);
  return load_half(rest);
}

// Decoders of cached rows. bytes: what n values take. get: the values from i on, of which `left`
// exist, then zeros. for_columns: take(j, values [i + j] of kLanes rows, `stride` bytes apart) for
// j in [0, kColumns); as many exist.
struct F32Row {
  static constexpr std::size_t kColumns = 4;
  static constexpr std::size_t bytes(std::size_t n) { return 4 * n; }
  static Vec get(const std::byte* row, std::size_t i, std::size_t left) {
    const auto* floats = reinterpret_cast<const float*>(row) + i;
    return left >= kLanes ? load(floats) : load_first(floats, left);
  }
  template <class Take>
  static void for_columns(const std::byte* rows, std::size_t stride, std::size_t i,
                          const Take& take) {
    Vec columns[4];
    load_columns(rows + i * sizeof(float), stride, columns);
    for (std::size_t j = 0; j < 4; ++j) take(j, columns[j]);
  }
};
struct F16Row {
  static constexpr std::size_t kColumns = 8;
  static constexpr std::size_t bytes(std::size_t n) { return 2 * n; }
  static Vec get(const std::byte* row, std::size_t i, std::size_t left) {
    return load_half_some(row + 2 * i, left);
  }
  template <class Take>
  static void for_columns(const std::byte* rows, std::size_t stride, std::size_t i,
                          const Take& take) {
    Vec columns[4];
    Vec halves[2];
    load_columns(rows + i * 2, stride, columns);
    for (std::size_t j = 0; j < 4; ++j) {
      split_halves(columns[j], halves);
      take(2 * j, halves[0]);
      take(2 * j + 1, halves[1]);
    }
  }
};
struct Q8Row {
  static constexpr std::size_t kColumns = kQ8Block;
  static constexpr std::size_t bytes(std::size_t n) { return n / kQ8Block * kQ8BlockBytes; }
  static Vec get(const std::byte* row, std::size_t i, std::size_t /*left*/) {
    return Codes::get(row, i);
  }
  template <class Take>
  static void for_columns(const std::byte* rows, std::size_t stride, std::size_t i,
                          const Take& take) {
    const std::byte* const block = rows + i / kQ8Block * kQ8BlockBytes;
    const Vec scale = mul(gather_halves(block, stride), set1(kLowestUnit));
    for (std::size_t first = 0; first < kQ8Block; first += 16) {
      Vec columns[4];
      Vec codes[4];
      load_columns(block + 2 + first, stride, columns);
      for (std::size_t j = 0; j < 4; ++j) {
        split_bytes_high(columns[j], codes);
        for (std::size_t k = 0; k < 4; ++k) take(first + 4 * j + k, mul(scale, codes[k]));
      }
    }
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
