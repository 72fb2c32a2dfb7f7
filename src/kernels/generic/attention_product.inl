// The small matrix product of attention, over the vocabulary of an ISA's vec.h: scores = Q K^T and
// outputs += P V, with keys or channels in the lanes. Included in an anonymous namespace.

// Asks for memory. A core waits for only so many lines at a time, so little should be asked for at
// once.
inline void prefetch_span(const std::byte* p, std::size_t bytes) {
  constexpr std::size_t kCacheLine = 64;
  for (std::size_t i = 0; i < bytes; i += kCacheLine) __builtin_prefetch(p + i, 0, 2);
}

// Rows of a matrix, f32 or what a cache holds: kCount values take kBytes, and decoding them takes
// kOperands registers that others would not.
struct Floats {
  static constexpr std::size_t kBytes = 4;
  static constexpr std::size_t kCount = 1;
  static constexpr std::size_t kOperands = 0;
  static Vec get(const std::byte* row, std::size_t i) {
    return load(reinterpret_cast<const float*>(row) + i);
  }
};
struct Halves {
  static constexpr std::size_t kBytes = 2;
  static constexpr std::size_t kCount = 1;
  static constexpr std::size_t kOperands = 0;
  static Vec get(const std::byte* row, std::size_t i) { return load_half(row + 2 * i); }
};
struct Codes {
  static constexpr std::size_t kBytes = kQ8BlockBytes;
  static constexpr std::size_t kCount = kQ8Block;
  static constexpr std::size_t kOperands = 1;  // the scale
  static Vec get(const std::byte* row, std::size_t i) {
    const std::byte* block = row + i / kQ8Block * kQ8BlockBytes;
    return mul(broadcast_half(block), load_int8(block + 2 + i % kQ8Block));
  }
};

// c[r][columns] = sum over i in [begin, end) of a[r][i] * b[i][columns], for some rows. Starts from
// zero, or from c[r][..] * factors[r]. Every sum runs over ascending i, however many rows and
// columns are computed side by side.
struct Product {
  const float* a;
  std::size_t a_stride;
  const std::byte* b;
  std::size_t b_stride;  // bytes
  std::size_t begin;
  std::size_t end;
  float* c;
  std::size_t c_stride;
  const float* factors;  // nullptr: from zero
  // Memory to ask for on the way, laid out as b; nullptr for none.
  const std::byte* ahead = nullptr;
};

// One i for C vectors of columns from `column` and R rows: the fewer operands stay in registers.
template <class Source, std::size_t R, std::size_t C>
inline void add_row(const float* a, std::size_t a_stride, const std::byte* b, std::size_t column,
                    Vec (&sums)[R][C]) {
  if constexpr (C > R) {
    Vec factors[R];
    for (std::size_t r = 0; r < R; ++r) factors[r] = set1(a[r * a_stride]);
    for (std::size_t j = 0; j < C; ++j) {
      const Vec value = Source::get(b, column + j * kLanes);
      for (std::size_t r = 0; r < R; ++r) sums[r][j] = fma(factors[r], value, sums[r][j]);
    }
  } else {
    Vec values[C];
    for (std::size_t j = 0; j < C; ++j) values[j] = Source::get(b, column + j * kLanes);
    for (std::size_t r = 0; r < R; ++r) {
      const Vec factor = set1(a[r * a_stride]);
      for (std::size_t j = 0; j < C; ++j) sums[r][j] = fma(factor, values[j], sums[r][j]);
    }
  }
}

// C vectors of columns from `column`, for R rows.
template <class Source, std::size_t R, std::size_t C>
void multiply(const Product& p, std::size_t column) noexcept {
  Vec sums[R][C];
  for (std::size_t r = 0; r < R; ++r) {
    const float* c = p.c + r * p.c_stride + column;
    for (std::size_t j = 0; j < C; ++j)
      sums[r][j] =
          p.factors == nullptr ? set1(0.0f) : mul(set1(p.factors[r]), load(c + j * kLanes));
  }
  const std::byte* b = p.b + p.begin * p.b_stride;
  const float* a = p.a + p.begin;
  for (std::size_t i = p.begin; i < p.end; ++i, b += p.b_stride, ++a) {
    if (p.ahead != nullptr)
      prefetch_span(p.ahead + i * p.b_stride + column * Source::kBytes / Source::kCount,
                    C * kLanes * Source::kBytes / Source::kCount);
    add_row<Source>(a, p.a_stride, b, column, sums);
  }
  for (std::size_t r = 0; r < R; ++r)
    for (std::size_t j = 0; j < C; ++j)
      store(p.c + r * p.c_stride + column + j * kLanes, sums[r][j]);
}

// Columns [first, last), multiples of kLanes, for R rows: as many vectors at once as there are
// registers, since a few sums alone would wait for each other.
template <class Source, std::size_t R>
void multiply_columns(const Product& p, std::size_t first, std::size_t last) noexcept {
  if constexpr (R * 8 <= kSums)
    for (; last - first >= 8 * kLanes; first += 8 * kLanes) multiply<Source, R, 8>(p, first);
  if constexpr (R * 4 + Source::kOperands <= kSums)
    for (; last - first >= 4 * kLanes; first += 4 * kLanes) multiply<Source, R, 4>(p, first);
  for (; last - first >= 2 * kLanes; first += 2 * kLanes) multiply<Source, R, 2>(p, first);
  if (first < last) multiply<Source, R, 1>(p, first);
}

using Multiply = void (*)(const Product&, std::size_t, std::size_t) noexcept;
// [rows - 1]
template <class Source>
constexpr Multiply kMultiply[kMaxRowTile] = {
    multiply_columns<Source, 1>, multiply_columns<Source, 2>, multiply_columns<Source, 3>,
    multiply_columns<Source, 4>, multiply_columns<Source, 5>, multiply_columns<Source, 6>,
    multiply_columns<Source, 7>, multiply_columns<Source, 8>};

inline const std::byte* bytes(const float* p) {
  return reinterpret_cast<const std::byte*>(p);
}
