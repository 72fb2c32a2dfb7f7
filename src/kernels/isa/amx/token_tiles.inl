// Prefill of types with a scale a row in tiles of int8. Included inside an anonymous namespace
// after generic/linear_token_int4.inl and config.inl.
//
// Order: a slab of panels (half a megabyte) stays in the L2 cache; 32 rows of all inputs meet all
// of its panels, two at a time, and then the next 32 rows come. A step of 64 inputs is four loads
// and four products, to which tiles of L2 keep up.

static_assert(kCodeOffset == 128 && kParts == 1);

// Below a whole block of rows the weights' memory is what counts, and tiles would stay half empty.
constexpr std::size_t kTileRowsFrom = kTokenRows;

constexpr std::size_t kTileStride = 64;  // bytes of a row
constexpr std::size_t kTileBytes = 16 * kTileStride;
constexpr std::size_t kTileSums = 16 * kPanel;
constexpr std::size_t kPairRows = 2 * kTokenRows;
constexpr std::uint64_t kPairPanels = 2;

// Half a megabyte of codes, and their scales: as much as scratch has room for, whatever k is.
constexpr std::size_t kTileSlabBytes =
    kBf16SlabPanels * kBf16SlabInputs * kPanel * sizeof(std::uint16_t) + 4096;

// One or two blocks of rows and one or two panels: tiles at `rows` and `codes`, the next ones
// `step` and kTileBytes behind; panels are `panel` bytes apart.
struct TileOperands {
  const std::int8_t* rows[2];
  std::size_t step[2];
  const std::byte* codes;
  std::size_t panel;
};

// 64 inputs. Sums of block b and panel p are in tile 2 b + p.
template <int Blocks, int Panels>
HALFBYTE_INLINE void multiply_step(const TileOperands& at) {
  _tile_loadd(6, at.codes, kTileStride);
  _tile_loadd(4, at.rows[0], kTileStride);
  _tile_dpbsud(0, 4, 6);
  if constexpr (Panels == 2) {
    _tile_loadd(7, at.codes + at.panel, kTileStride);
    _tile_dpbsud(1, 4, 7);
  }
  if constexpr (Blocks == 2) {
    _tile_loadd(5, at.rows[1], kTileStride);
    _tile_dpbsud(2, 5, 6);
    if constexpr (Panels == 2) _tile_dpbsud(3, 5, 7);
  }
}

// The last 32 inputs. Panels end there, so their codes go through a buffer; what it holds behind
// them does not matter, since rows have zeros there.
template <int Blocks, int Panels>
HALFBYTE_INLINE void multiply_half_step(TileOperands at) {
  alignas(64) std::byte codes[Panels * kTileBytes];
  for (std::size_t p = 0; p < Panels; ++p) {
    std::memcpy(codes + p * kTileBytes, at.codes + p * at.panel, kTileBytes / 2);
  }
  at.codes = codes;
  at.panel = kTileBytes;
  TileConfig::order_memory();
  multiply_step<Blocks, Panels>(at);
  TileConfig::order_memory();
}

// sums: [Blocks][Panels][16 rows][16 outputs].
template <int Blocks, int Panels>
HALFBYTE_INLINE void sum_tiles(TileOperands at, std::uint64_t k, std::int32_t* sums) {
  _tile_zero(0);
  if constexpr (Panels == 2) _tile_zero(1);
  if constexpr (Blocks == 2) _tile_zero(2);
  if constexpr (Blocks == 2 && Panels == 2) _tile_zero(3);
  for (std::uint64_t step = 0; step < k / kTokenInputs; ++step) {
    multiply_step<Blocks, Panels>(at);
    at.rows[0] += at.step[0];
    at.rows[1] += at.step[1];
    at.codes += kTileBytes;
  }
  if (k % kTokenInputs != 0) multiply_half_step<Blocks, Panels>(at);
  _tile_stored(0, sums, kTileStride);
  if constexpr (Panels == 2) _tile_stored(1, sums + kTileSums, kTileStride);
  if constexpr (Blocks == 2) _tile_stored(2, sums + Panels * kTileSums, kTileStride);
  if constexpr (Blocks == 2 && Panels == 2) _tile_stored(3, sums + 3 * kTileSums, kTileStride);
  TileConfig::order_memory();
}

// y of one block and one panel. Codes of weights are kCodeOffset above what they mean.
inline void store_tile(const PackedMatrix& w, std::uint64_t panel, const TokenRows& x,
                       std::size_t first_row, const std::int32_t* sums, const LinearOutput& out) {
  const std::size_t outputs = outputs_of(w, panel, 0);
  const V::Float scales = row_scales(panel_at<RowInt8>(w, panel), 0);
  const std::size_t left = x.rows - first_row, rows = left < kTokenRows ? left : kTokenRows;
  const std::int32_t* const input_sums = x.sums + first_row;
  const float* const input_scales = x.scales + first_row;
  const std::size_t stride = out.stride;
  float* y = out.y + first_row * stride + panel * kPanel;
  for (std::size_t row = 0; row < rows; ++row, y += stride) {
    const std::int32_t start = -kCodeOffset * input_sums[row];
    const V::Int sum = V::load(reinterpret_cast<const std::byte*>(sums + row * kPanel));
    store_outputs(V::add_int(sum, V::broadcast_int(&start)), scales, input_scales[row], y, outputs);
  }
}

template <int Blocks, int Panels>
void panels_times_blocks(const PackedMatrix& w, std::uint64_t panel, const TokenRows& x,
                         std::size_t row, const LinearOutput& out) {
  const TokenTile first = tile_at(x, row);
  const TokenTile second = Blocks == 2 ? tile_at(x, row + kTokenRows) : first;
  alignas(64) std::int32_t sums[Blocks * Panels * kTileSums];
  sum_tiles<Blocks, Panels>({{first.codes, second.codes},
                             {first.step, second.step},
                             panel_at<RowInt8>(w, panel) + kPanelHeader,
                             RowInt8::panel_bytes(w.k)},
                            w.k, sums);
  for (std::size_t b = 0; b < Blocks; ++b) {
    for (std::size_t p = 0; p < Panels; ++p) {
      store_tile(w, panel + p, x, row + b * kTokenRows, sums + (b * Panels + p) * kTileSums, out);
    }
  }
}

// One or two blocks of rows from `row` on.
template <int Blocks>
void slab_times_blocks(const PackedMatrix& w, std::uint64_t begin, std::uint64_t end,
                       const TokenRows& x, std::size_t row, const LinearOutput& out) {
  for (; begin + kPairPanels <= end; begin += kPairPanels) {
    panels_times_blocks<Blocks, 2>(w, begin, x, row, out);
  }
  if (begin < end) panels_times_blocks<Blocks, 1>(w, begin, x, row, out);
}

// The last rows have tiles of their own height.
inline void slab_times_tiles(const PackedMatrix& w, std::uint64_t begin, std::uint64_t end,
                             const TokenRows& x, const LinearOutput& out) {
  const std::size_t left = x.rows % kPairRows, whole = x.rows - left;
  if (whole != 0) {
    const TileConfig config;
    for (std::size_t row = 0; row < whole; row += kPairRows) {
      slab_times_blocks<2>(w, begin, end, x, row, out);
    }
  }
  if (left > kTokenRows) {
    const TileConfig config(kTokenRows, static_cast<std::uint8_t>(left - kTokenRows));
    slab_times_blocks<2>(w, begin, end, x, whole, out);
  } else if (left != 0) {
    const TileConfig config(static_cast<std::uint8_t>(left), kTokenRows);
    slab_times_blocks<1>(w, begin, end, x, whole, out);
  }
}

void linear_tiles(const PackedMatrix& w, std::uint64_t begin, std::uint64_t end, const TokenRows& x,
                  const LinearOutput& out, std::byte* scratch) noexcept {
  if (x.rows < kTileRowsFrom) return linear_token(w, begin, end, x, out, scratch);
  const SlabProduct product = {slab_panels(w.k, kTileSlabBytes, kPairPanels), slab_times_tiles};
  multiply_slabs(RowInt8{}, product, w, begin, end, x, out, scratch);
  add_all_outliers(w, begin, end, x, out, scratch);
}

void linear_tiles_int4(const PackedMatrix& w, std::uint64_t begin, std::uint64_t end,
                       const TokenRows& x, const LinearOutput& out, std::byte* scratch) noexcept {
  if (x.rows < kTileRowsFrom) return linear_token_int4(w, begin, end, x, out, scratch);
  const SlabProduct product = {slab_panels(w.k, kTileSlabBytes, kPairPanels), slab_times_tiles};
  multiply_slabs(RowInt4{}, product, w, begin, end, x, out, scratch);
}
