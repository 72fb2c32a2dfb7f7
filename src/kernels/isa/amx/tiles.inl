// Products of tiles with TDPBF16PS: 32 rows x 2 panels in four tiles of sums, from two tiles of
// rows and two of weights. Included inside an anonymous namespace after generic/bf16_job.inl and
// config.inl.
//
// Palette 1, every tile 16 rows of 64 bytes: a tile of sums is 16 rows x 16 outputs of f32, one of
// inputs 16 rows x 32 inputs, one of weights 16 pairs of inputs x 16 outputs.

class Tiles {
 public:
  static constexpr std::size_t kRows = 2 * kBf16Rows;

  static void multiply(const Job& job) {
    const bool both_rows = job.rows > kBf16Rows;
    if (job.panels == 2) {
      both_rows ? run<2, 2>(job) : run<1, 2>(job);
    } else {
      both_rows ? run<2, 1>(job) : run<1, 1>(job);
    }
  }

  // Calls beside() once.
  template <class Beside>
  static void multiply(const Job& job, const Beside& beside) {
    multiply(job);
    beside();
  }

 private:
  TileConfig config_;

  static constexpr std::size_t kTileBytes = 64;  // a row
  static constexpr std::size_t kSums = 4 * kBf16Rows * kPanel;

  // Sums go straight to y where whole tiles exist, else through a buffer.
  template <int Blocks, int Panels>
  static void run(const Job& job) {
    const bool whole = job.rows == Blocks * kBf16Rows && job.columns == Panels * kPanel;
    if (whole) {
      product<Blocks, Panels>(job, job.y, job.stride);
      return;
    }
    constexpr std::size_t kStride = 2 * kPanel;
    alignas(64) float sums[kSums];
    if (job.add) copy(job.y, job.stride, sums, kStride, job);
    product<Blocks, Panels>(job, sums, kStride);
    copy(sums, kStride, job.y, job.stride, job);
  }

  static void copy(const float* from, std::size_t from_stride, float* to, std::size_t to_stride,
                   const Job& job) {
    for (std::size_t r = 0; r < job.rows; ++r) {
      for (std::size_t c = 0; c < job.columns; ++c) {
        to[r * to_stride + c] = from[r * from_stride + c];
      }
    }
  }

  template <int Blocks, int Panels>
  static void product(const Job& job, float* y, std::size_t stride) {
    const std::size_t y_bytes = stride * sizeof(float);
    float* const y1 = y + kBf16Rows * stride;
    TileConfig::order_memory();
    if (job.add) {
      _tile_loadd(0, y, y_bytes);
      if constexpr (Panels == 2) _tile_loadd(1, y + kPanel, y_bytes);
      if constexpr (Blocks == 2) _tile_loadd(2, y1, y_bytes);
      if constexpr (Blocks == 2 && Panels == 2) _tile_loadd(3, y1 + kPanel, y_bytes);
    } else {
      _tile_zero(0);
      if constexpr (Panels == 2) _tile_zero(1);
      if constexpr (Blocks == 2) _tile_zero(2);
      if constexpr (Blocks == 2 && Panels == 2) _tile_zero(3);
    }
    const std::uint16_t* a = job.a;
    const std::uint16_t* b = job.b;
    for (std::size_t step = 0; step < job.steps; ++step, a += kTileWords, b += kStepWords) {
      _tile_loadd(6, b, kTileBytes);
      _tile_loadd(4, a, kTileBytes);
      _tile_dpbf16ps(0, 4, 6);
      if constexpr (Panels == 2) {
        _tile_loadd(7, b + job.b_panel, kTileBytes);
        _tile_dpbf16ps(1, 4, 7);
      }
      if constexpr (Blocks == 2) {
        _tile_loadd(5, a + job.a_block, kTileBytes);
        _tile_dpbf16ps(2, 5, 6);
        if constexpr (Panels == 2) _tile_dpbf16ps(3, 5, 7);
      }
    }
    _tile_stored(0, y, y_bytes);
    if constexpr (Panels == 2) _tile_stored(1, y + kPanel, y_bytes);
    if constexpr (Blocks == 2) _tile_stored(2, y1, y_bytes);
    if constexpr (Blocks == 2 && Panels == 2) _tile_stored(3, y1 + kPanel, y_bytes);
    TileConfig::order_memory();
  }
};
