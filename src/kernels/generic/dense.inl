// Dense products (contract: kernels/dense.h) over the vectors of isa/NAME/vec.h. Included inside an
// anonymous namespace, after unroll.inl.
//
// A block of B, kDenseDepth inputs of kDenseColumns outputs, is brought into the order of use and
// stays in the L2 cache while all rows of A pass, kRowTile at a time, from the L1 cache.

constexpr int kTileRows = static_cast<int>(kRowTile);
constexpr int kTileVectors = static_cast<int>(kSums / kRowTile);
constexpr std::size_t kPanelColumns = kTileVectors * kLanes;

// B packed: panels of kPanelColumns outputs, [inputs][kPanelColumns] each; zero past the last.
// Outputs side by side in memory.
void pack_panel_of_rows(const float* b, std::size_t row_stride, std::size_t depth,
                        std::size_t columns, float* to) {
  std::size_t counts[kTileVectors];
  for (std::size_t v = 0; v < kTileVectors; ++v) {
    const std::size_t left = columns > v * kLanes ? columns - v * kLanes : 0;
    counts[v] = left < kLanes ? left : kLanes;
  }
  for (std::size_t p = 0; p < depth; ++p, b += row_stride, to += kPanelColumns) {
    unroll<kTileVectors>([&](auto v) HALFBYTE_INLINE_LAMBDA {
      store(to + v * kLanes, load_first(b + v * kLanes, counts[v]));
    });
  }
}

// Inputs side by side: columns[i][lane] are four inputs of kLanes outputs.
void pack_vectors_of_columns(const float* b, std::size_t column_stride, std::size_t depth,
                             float* to) {
  std::size_t p = 0;
  for (; p + 4 <= depth; p += 4) {
    Vec columns[4];
    load_columns(reinterpret_cast<const std::byte*>(b + p), column_stride * sizeof(float), columns);
    unroll<4>([&](auto i)
                  HALFBYTE_INLINE_LAMBDA { store(to + (p + i) * kPanelColumns, columns[i]); });
  }
  for (; p < depth; ++p) {
    for (std::size_t j = 0; j < kLanes; ++j) to[p * kPanelColumns + j] = b[j * column_stride + p];
  }
}

void pack_some_columns(const float* b, std::size_t column_stride, std::size_t depth,
                       std::size_t columns, float* to) {
  for (std::size_t p = 0; p < depth; ++p) {
    for (std::size_t j = 0; j < kLanes; ++j) {
      to[p * kPanelColumns + j] = j < columns ? b[j * column_stride + p] : 0.0f;
    }
  }
}

void pack_panel_of_columns(const float* b, std::size_t column_stride, std::size_t depth,
                           std::size_t columns, float* to) {
  for (std::size_t j = 0; j < kPanelColumns; j += kLanes) {
    const float* from = b + j * column_stride;
    if (columns >= j + kLanes) {
      pack_vectors_of_columns(from, column_stride, depth, to + j);
    } else {
      pack_some_columns(from, column_stride, depth, columns > j ? columns - j : 0, to + j);
    }
  }
}

// A few inputs of all panels before the next ones: each row of B lies in pages of its own.
void pack_block_of_rows(const DenseOperand& b, std::size_t depth, std::size_t columns, float* to) {
  constexpr std::size_t kRowsAtOnce = 16;
  for (std::size_t p = 0; p < depth; p += kRowsAtOnce) {
    const std::size_t rows = depth - p < kRowsAtOnce ? depth - p : kRowsAtOnce;
    for (std::size_t j = 0; j < columns; j += kPanelColumns) {
      pack_panel_of_rows(b.data + p * b.row_stride + j, b.row_stride, rows, columns - j,
                         to + j * depth + p * kPanelColumns);
    }
  }
}

void pack_block(const DenseOperand& b, std::size_t depth, std::size_t columns, float* to) {
  if (b.column_stride == 1) return pack_block_of_rows(b, depth, columns, to);
  for (std::size_t j = 0; j < columns; j += kPanelColumns) {
    pack_panel_of_columns(b.data + j * b.column_stride, b.column_stride, depth, columns - j,
                          to + j * depth);
  }
}

// Rows of A are copied as they lie, either [inputs][kRowTile] or [kRowTile][kDenseDepth]: an input
// is broadcast, so both serve alike. Rows past the last are zero.
void pack_rows(const DenseOperand& a, std::size_t depth, std::size_t rows, float* to) {
  if (a.row_stride == 1 && rows == kRowTile) {
    for (std::size_t p = 0; p < depth; ++p) {
      __builtin_memcpy(to + p * kRowTile, a.data + p * a.column_stride, kRowTile * sizeof(float));
    }
  } else if (a.row_stride == 1) {
    for (std::size_t p = 0; p < depth; ++p) {
      for (std::size_t i = 0; i < kRowTile; ++i) {
        to[p * kRowTile + i] = i < rows ? a.data[p * a.column_stride + i] : 0.0f;
      }
    }
  } else {
    for (std::size_t i = 0; i < kRowTile; ++i) {
      const bool there = i < rows;
      for (std::size_t p = 0; p < depth; ++p) {
        to[i * kDenseDepth + p] = there ? a.data[i * a.row_stride + p] : 0.0f;
      }
    }
  }
}

// C [rows, columns] += or -= the sums of one tile.
template <bool Subtract>
HALFBYTE_INLINE void add_tile(const Vec (&sums)[kTileRows][kTileVectors], float* c,
                              std::size_t stride, std::size_t rows, std::size_t columns) {
  const auto combine = [](Vec old, Vec sum) HALFBYTE_INLINE_LAMBDA {
    return Subtract ? sub(old, sum) : add(old, sum);
  };
  unroll<kTileRows>([&](auto r) HALFBYTE_INLINE_LAMBDA {
    if (static_cast<std::size_t>(r) >= rows) return;
    unroll<kTileVectors>([&](auto v) HALFBYTE_INLINE_LAMBDA {
      const std::size_t begin = v * kLanes;
      float* to = c + r * stride + begin;
      if (columns >= begin + kLanes) {
        store(to, combine(load(to), sums[r][v]));
      } else if (columns > begin) {
        store_first(to, combine(load_first(to, columns - begin), sums[r][v]), columns - begin);
      }
    });
  });
}

// RowStep, DepthStep: floats from row to row and from input to input of the packed rows.
template <std::size_t RowStep, std::size_t DepthStep, bool Subtract>
void multiply_tile(const float* a, const float* b, std::size_t depth, float* c, std::size_t stride,
                   std::size_t rows, std::size_t columns) {
  Vec sums[kTileRows][kTileVectors];
  unroll<kTileRows>([&](auto r) HALFBYTE_INLINE_LAMBDA {
    unroll<kTileVectors>([&](auto v) HALFBYTE_INLINE_LAMBDA { sums[r][v] = set1(0.0f); });
  });
  for (std::size_t p = 0; p < depth; ++p, a += DepthStep, b += kPanelColumns) {
    Vec weights[kTileVectors];
    unroll<kTileVectors>([&](auto v) HALFBYTE_INLINE_LAMBDA { weights[v] = load(b + v * kLanes); });
    unroll<kTileRows>([&](auto r) HALFBYTE_INLINE_LAMBDA {
      const Vec input = set1(a[r * RowStep]);
      unroll<kTileVectors>(
          [&](auto v) HALFBYTE_INLINE_LAMBDA { sums[r][v] = fma(input, weights[v], sums[r][v]); });
    });
  }
  add_tile<Subtract>(sums, c, stride, rows, columns);
}

using MultiplyTile = void (*)(const float* a, const float* b, std::size_t depth, float* c,
                              std::size_t stride, std::size_t rows, std::size_t columns);

MultiplyTile tile_for(const DenseProduct& t) {
  if (t.a.row_stride == 1) {
    return t.subtract ? multiply_tile<1, kRowTile, true> : multiply_tile<1, kRowTile, false>;
  }
  return t.subtract ? multiply_tile<kDenseDepth, 1, true> : multiply_tile<kDenseDepth, 1, false>;
}

// All rows of A with one packed block of B.
void multiply_block(const DenseProduct& t, MultiplyTile multiply, std::size_t input,
                    std::size_t depth, std::size_t column, std::size_t columns, const float* block,
                    float* packed_rows) {
  for (std::size_t i = 0; i < t.m; i += kRowTile) {
    const std::size_t rows = t.m - i < kRowTile ? t.m - i : kRowTile;
    const float* from = t.a.data + i * t.a.row_stride + input * t.a.column_stride;
    pack_rows({from, t.a.row_stride, t.a.column_stride}, depth, rows, packed_rows);
    float* c = t.c + i * t.stride + column;
    for (std::size_t j = 0; j < columns; j += kPanelColumns) {
      multiply(packed_rows, block + j * depth, depth, c + j, t.stride, rows, columns - j);
    }
  }
}

void dense_multiply(const DenseProduct& t, std::byte* scratch) noexcept {
  auto* block = reinterpret_cast<float*>(scratch);
  float* packed_rows = block + kDenseDepth * kDenseColumns;
  const MultiplyTile multiply = tile_for(t);
  for (std::size_t p = 0; p < t.k; p += kDenseDepth) {
    const std::size_t depth = t.k - p < kDenseDepth ? t.k - p : kDenseDepth;
    for (std::size_t j = 0; j < t.n; j += kDenseColumns) {
      const std::size_t columns = t.n - j < kDenseColumns ? t.n - j : kDenseColumns;
      const float* from = t.b.data + p * t.b.row_stride + j * t.b.column_stride;
      pack_block({from, t.b.row_stride, t.b.column_stride}, depth, columns, block);
      multiply_block(t, multiply, p, depth, j, columns, block, packed_rows);
    }
  }
}
