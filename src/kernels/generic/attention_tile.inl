// A tile of cached keys and values as f32 matrices, over the vocabulary of an ISA's vec.h.
// Included in an anonymous namespace, after generic/attention_product.inl.

inline Vec load_half_some(const std::byte* p, std::size_t n) {
  if (n >= kLanes) return load_half(p);
  std::byte rest[kLanes * 2] = {};
  std::memcpy(rest, p, n * 2);
  return load_half(rest);
}

// Decoders of cached rows. get: the values from i on, of which `left` exist, then zeros. transpose:
// values [0, dim) of kLanes rows, `stride` bytes apart, to columns of kLanes floats, kKeyTile
// apart; dim is a multiple of kColumns.
struct F32Row {
  static constexpr std::size_t kColumns = 4;
  static Vec get(const std::byte* row, std::size_t i, std::size_t left) {
    const auto* floats = reinterpret_cast<const float*>(row) + i;
    return left >= kLanes ? load(floats) : load_first(floats, left);
  }
  static void transpose(const std::byte* rows, std::size_t stride, std::size_t dim, float* dst) {
    Vec columns[4];
    for (std::size_t i = 0; i < dim; i += kColumns) {
      load_columns(rows + i * sizeof(float), stride, columns);
      for (std::size_t j = 0; j < 4; ++j) store(dst + (i + j) * kKeyTile, columns[j]);
    }
  }
};
struct F16Row {
  static constexpr std::size_t kColumns = 8;
  static Vec get(const std::byte* row, std::size_t i, std::size_t left) {
    return load_half_some(row + 2 * i, left);
  }
  static void transpose(const std::byte* rows, std::size_t stride, std::size_t dim, float* dst) {
    Vec columns[4];
    for (std::size_t i = 0; i < dim; i += kColumns) {
      load_columns(rows + i * 2, stride, columns);
      for (std::size_t j = 0; j < 4; ++j) {
        float* const even = dst + (i + 2 * j) * kKeyTile;
        split_halves(columns[j], even, even + kKeyTile);
      }
    }
  }
};
struct Q8Row {
  static constexpr std::size_t kColumns = kQ8Block;
  static Vec get(const std::byte* row, std::size_t i, std::size_t /*left*/) {
    return Codes::get(row, i);
  }
  static void transpose(const std::byte* rows, std::size_t stride, std::size_t dim, float* dst) {
    Vec columns[4];
    Vec codes[4];
    for (std::size_t i = 0; i < dim; i += 16) {
      const std::byte* const block = rows + i / kQ8Block * kQ8BlockBytes;
      const Vec scale = load_scales(block, stride);
      load_columns(block + 2 + i % kQ8Block, stride, columns);
      for (std::size_t j = 0; j < 4; ++j) {
        split_bytes(columns[j], codes);
        float* const first = dst + (i + 4 * j) * kKeyTile;
        for (std::size_t b = 0; b < 4; ++b) store(first + b * kKeyTile, mul(scale, codes[b]));
      }
    }
  }

 private:
  static Vec load_scales(const std::byte* rows, std::size_t stride) {
    std::byte scales[kLanes * 2];
    for (std::size_t lane = 0; lane < kLanes; ++lane)
      std::memcpy(scales + 2 * lane, rows + lane * stride, 2);
    return load_half(scales);
  }
};

// Vector j of dst, `step` floats apart, = values [j * kLanes, ..) of a cached row of n, zeros up to
// dim. Returns zeros, or NaN in the lanes that met a value that is not finite.
template <class Row>
inline Vec load_row(const std::byte* src, std::size_t n, std::size_t dim, float* dst,
                    std::size_t step) {
  const Vec zero = set1(0.0f);
  Vec check = zero;
  for (std::size_t i = 0; i < dim; i += kLanes, dst += step) {
    const Vec v = i < n ? Row::get(src, i, n - i) : zero;
    check = fma(v, zero, check);
    store(dst, v);
  }
  return check;
}

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

// Keys [first, first + kLanes) of which some are hidden or do not exist, through a square of
// kLanes x kLanes floats for every kLanes values. Hidden keys become zeros, so that they cannot
// bring a NaN in.
template <class Row>
void load_some_keys(const Tile& tile, std::size_t first, float* staging, float* keys) noexcept {
  constexpr std::size_t kSquare = kLanes * kLanes;
  const std::size_t dim = tile.args.head_dim;
  for (std::size_t lane = 0; lane < kLanes; ++lane) {
    const std::size_t key = first + lane;
    float* const dst = staging + lane * kLanes;
    if (key < tile.range.begin || key >= tile.range.end || tile.hidden(key)) {
      for (std::size_t i = 0; i < dim; i += kLanes) store(dst + i * kLanes, set1(0.0f));
    } else {
      load_row<Row>(tile.key(key), dim, dim, dst, kSquare);
    }
  }
  for (std::size_t i = 0; i < dim; i += kLanes)
    transpose<kKeyTile>(staging + i * kLanes, keys + i * kKeyTile + first);
}

// Decodes and transposes the keys of the tile to [dim][kKeyTile]. Lanes outside its range stay
// undefined: their scores are masked.
template <class Row>
void load_keys(const Tile& tile, float* staging, float* keys) noexcept {
  const AttentionArgs& args = tile.args;
  const bool whole = args.key_mask == nullptr && args.head_dim % Row::kColumns == 0;
  for (std::size_t i = tile.range.begin / kLanes * kLanes; i < tile.range.end; i += kLanes) {
    if (whole && tile.first + i + kLanes <= args.length) {
      Row::transpose(tile.key(i), args.keys.position_stride, args.head_dim, keys + i);
    } else {
      load_some_keys<Row>(tile, i, staging, keys);
    }
  }
}

// Decodes the values of the tile to [kKeyTile][dim], hidden ones as zeros. True if all are finite.
template <class Row>
bool load_values(const Tile& tile, std::size_t dim, float* values) noexcept {
  Vec check = set1(0.0f);
  for (std::size_t i = tile.range.begin; i < tile.range.end; ++i) {
    float* const dst = values + i * dim;
    if (tile.hidden(i)) {
      std::memset(dst, 0, dim * sizeof(float));
    } else {
      check = add(check, load_row<Row>(tile.value(i), tile.args.head_dim, dim, dst, kLanes));
    }
  }
  return !any(is_nan(check));
}

// What depends on a cache's type: the loaders, and the products with its rows as they are.
struct CacheType {
  void (*load_keys)(const Tile&, float*, float*) noexcept;
  bool (*load_values)(const Tile&, std::size_t, float*) noexcept;
  const Multiply* multiply;
};
template <class Row, class Source>
constexpr CacheType kCacheType = {load_keys<Row>, load_values<Row>, kMultiply<Source>};
inline const CacheType& cache_type(DType dtype) {
  if (dtype == DType::f16) return kCacheType<F16Row, Halves>;
  return dtype == DType::f32 ? kCacheType<F32Row, Floats> : kCacheType<Q8Row, Codes>;
}
