// The inputs of the integer kernels as their loops take them. Included inside an anonymous
// namespace, before generic/linear_int8.inl.

constexpr std::size_t kLine = 64;

inline std::byte* align_line(std::byte* p) {
  const std::size_t past = reinterpret_cast<std::uintptr_t>(p) % kLine;
  return past == 0 ? p : p + (kLine - past);
}

// Groups whose outliers are added together, after them.
constexpr std::size_t kRunGroups = kSlabCodes / 32;

// The outliers of the rows of a tile, by ascending input: `inputs`, ended by kNoInput, and for each
// of them what the rows have there, [rows of the tile], 0 where it is no outlier.
struct OutlierList {
  const std::uint32_t* inputs;
  const float* values;
};
constexpr std::uint32_t kNoInput = 0xFFFFFFFFu;

// Groups of some rows that follow each other in a block of the inputs: codes and scales as they lie
// there, and, of each group, start values of the integer sums and sum * scale for the mins, both
// [halves][stride].
struct Tile {
  const std::int8_t* codes;
  const float* scales;
  const std::int32_t* starts;
  const float* mins;
  std::size_t stride;  // rows of the block
  OutlierList outliers;
  std::int32_t offset;  // to subtract from codes
};

// Rows [row, rows) in tiles of R while there are enough, then in smaller ones: fn(Constant<R>,
// row).
template <int R, typename Fn>
HALFBYTE_INLINE void in_tiles(std::size_t row, std::size_t rows, const Fn& fn) {
  for (; row + R <= rows; row += R) fn(Constant<R>{}, row);
  if constexpr (R > 1) in_tiles<R / 2>(row, rows, fn);
}

// A block of rows in tiles of `Rows`, a power of two, and what is left in smaller ones.
template <int Rows>
struct TileBlock {
  static_assert(Rows <= static_cast<int>(kMostTileRows));

  const std::int8_t* codes;
  const float* scales;
  std::int32_t* starts;
  float* mins;
  std::size_t rows;
  std::int32_t offset;
  std::uint32_t* inputs;
  float* values;
  OutlierList outliers[kQuantizedRows];  // at the first row of each tile

  // Its own parts at the front of scratch; `after` is what follows them.
  TileBlock(std::byte* scratch, std::size_t groups, std::byte*& after) {
    const std::size_t most = kQuantizedRows * groups;
    std::byte* p = align_line(scratch);
    after = align_line(p + block_scratch_bytes(groups));
    starts = reinterpret_cast<std::int32_t*>(p);
    p += most * 2 * sizeof(std::int32_t);
    mins = reinterpret_cast<float*>(p);
    p += most * 2 * sizeof(float);
    values = reinterpret_cast<float*>(p);
    inputs = reinterpret_cast<std::uint32_t*>(p + most * kMostTileRows * sizeof(float));
  }
  // fn(Constant<R>, first row) for each tile.
  template <typename Fn>
  HALFBYTE_INLINE void for_tiles(const Fn& fn) const {
    in_tiles<Rows>(0, rows, fn);
  }
  HALFBYTE_INLINE Tile from_row(std::size_t row) const {
    return {codes + 4 * row, scales + row, starts + row, mins + row, rows, outliers[row], offset};
  }
};

// The lists of outliers of rows that have some each, merged to one of a tile. Inputs are counted
// from `first` on, those from `end` on left out.
class OutlierMerge {
 public:
  OutlierMerge(const QuantizedRows& x, std::size_t row, std::size_t first, std::size_t end)
      : x_(x), row_(row), first_(static_cast<std::uint32_t>(first)), end_(end) {}

  // Rows [row, row + rows) of the block; returns where the next list may begin.
  void merge(std::size_t row, std::size_t rows, std::uint32_t*& inputs, float*& values) const {
    const Outlier* next[kMostTileRows];
    for (std::size_t r = 0; r < rows; ++r) {
      next[r] = quantized_row(x_, row_ + row + r).outliers;
      while (next[r]->input < first_) ++next[r];
    }
    for (;; values += rows) {
      std::uint32_t input = kNoInput;
      for (std::size_t r = 0; r < rows; ++r)
        input = next[r]->input < input ? next[r]->input : input;
      if (input >= end_) break;
      *inputs++ = input - first_;
      for (std::size_t r = 0; r < rows; ++r)
        values[r] = next[r]->input == input ? next[r]++->value : 0.0f;
    }
    *inputs++ = kNoInput;
  }

 private:
  const QuantizedRows& x_;
  std::size_t row_;
  std::uint32_t first_;
  std::size_t end_;
};

// Groups [first, first + groups) of the block of rows that begins with `row`.
template <int Halves, bool HasMin, int Rows>
void fill_block(const QuantizedRows& x, std::size_t row, std::size_t first, std::size_t groups,
                std::int32_t offset, TileBlock<Rows>& block) {
  const QuantizedRow from = quantized_row(x, row);
  const std::size_t rows = from.stride;
  block.codes = from.codes + 32 * first * rows;
  block.scales = from.scales + first * rows;
  block.rows = rows;
  block.offset = offset;
  const std::int32_t* sums = from.sums + 2 * first * rows;
  for (std::size_t i = 0; i < groups * Halves; ++i) {
    const float* scales = block.scales + i / Halves * rows;
    const std::int32_t* half = sums + 2 / Halves * i * rows;
    for (std::size_t r = 0; r < rows; ++r) {
      const std::int32_t sum = Halves == 2 ? half[r] : half[r] + half[rows + r];
      block.starts[i * rows + r] = -offset * sum;
      if constexpr (HasMin) block.mins[i * rows + r] = static_cast<float>(sum) * scales[r];
    }
  }
  const OutlierMerge outliers(x, row, 32 * first, 32 * (first + groups));
  std::uint32_t* inputs = block.inputs;
  float* values = block.values;
  block.for_tiles([&]<int R>(Constant<R>, std::size_t at) {
    block.outliers[at] = {inputs, values};
    outliers.merge(at, R, inputs, values);
  });
}
