#include "compress/gram.h"

#include <algorithm>

#include "kernels/packed_rows.h"

namespace halfbyte {

namespace {

constexpr std::size_t kTile = 256;     // rows and columns of h
constexpr std::size_t kPartRows = 64;  // of a tile, whose products wait for their sum
constexpr std::size_t kInputs = 32;    // rows of x come in multiples of it
// Floats from column to column of a block: a power of two would put them all in one cache set.
constexpr std::size_t kBlockStride = kGramRows + 16;

constexpr std::size_t round_up(std::size_t n, std::size_t unit) {
  return (n + unit - 1) / unit * unit;
}

LinearToken fast_kernel(CpuFeatures features) {
  const LinearKernel* kernel = select_linear(DType::w8a8, Phase::prefill, Compute::int8, features);
  return kernel->isa == "scalar" ? nullptr : kernel->token;
}

std::size_t panels_bytes(std::size_t k) {
  return PackedMatrix{DType::w8a8, k, kGramRows, nullptr}.panel_bytes() * round_up(k, kPanel) /
         kPanel;
}

}  // namespace

// Up to kGramRows rows of x, and their quantized columns.
struct GramSum::Batch {
  const float* x;
  std::size_t stride;
  std::size_t rows;
  TokenRows columns;
  PackedMatrix weights;

  std::size_t k() const { return columns.rows; }
  // Columns [first, first + count) as rows of their own; first is a multiple of a block's.
  TokenRows part(std::size_t first, std::size_t count) const {
    TokenRows some = columns;
    some.rows = count;
    some.codes += token_codes(first, columns.k);
    some.scales += first;
    some.sums += first;
    return some;
  }
};

GramSum::GramSum(std::size_t max_k, DenseWorkers& dense, CpuFeatures features)
    : dense_(dense), ops_(select_rows(features).ops), multiply_(fast_kernel(features)) {
  if (multiply_ == nullptr) return;
  const std::size_t threads = dense.pool().size();
  const std::size_t codes = token_codes(max_k, kGramRows);
  const std::size_t block = kTokenRows * kBlockStride;
  arena_ =
      Arena(Arena::cost<std::int8_t>(codes) + Arena::cost<float>(max_k) +
            Arena::cost<std::int32_t>(max_k) + Arena::cost<std::byte>(panels_bytes(max_k)) +
            Arena::cost<float>(threads * block) + Arena::cost<float>(threads * kPartRows * kTile));
  columns_.codes = arena_.take<std::int8_t>(codes);
  columns_.scales = arena_.take<float>(max_k);
  columns_.sums = arena_.take<std::int32_t>(max_k);
  panels_ = arena_.take<std::byte>(panels_bytes(max_k));
  blocks_ = arena_.take<float>(threads * block);
  products_ = arena_.take<float>(threads * kPartRows * kTile);
}

void GramSum::add(const float* x, std::size_t stride, std::size_t rows, std::size_t k, float* h,
                  std::size_t thread, Team& team) {
  if (multiply_ == nullptr) {
    const DenseProduct gram = gram_product(x, stride, rows, k, h);
    const std::size_t tiles = dense_tiles(gram, DensePart::lower);
    for (std::size_t tile = thread; tile < tiles; tile += team.size()) {
      dense_.multiply(thread, dense_tile(gram, DensePart::lower, tile));
    }
    return;
  }
  for (std::size_t row = 0; row < rows; row += kGramRows) {
    Batch batch{x + row * stride, stride, std::min(kGramRows, rows - row), columns_, {}};
    batch.columns.rows = k;
    batch.columns.k = round_up(batch.rows, kInputs);
    batch.weights = {DType::w8a8, k, batch.columns.k, panels_};
    if (row > 0) team.barrier();
    add_batch(batch, h, thread, team);
  }
}

void GramSum::add_batch(const Batch& batch, float* h, std::size_t thread, Team& team) {
  const std::size_t k = batch.k();
  const std::size_t blocks = (k + kTokenRows - 1) / kTokenRows;
  for (std::size_t i = thread; i < blocks; i += team.size()) quantize(batch, i, thread);
  team.barrier();
  std::size_t index = 0;
  for (std::size_t first = 0; first < k; first += kTile) {
    for (std::size_t row = first; row < k; row += kTile, ++index) {
      if (index % team.size() == thread) add_tile(batch, first, row, h, thread);
    }
  }
}

// A block of columns, rounded, in both orders.
void GramSum::quantize(const Batch& batch, std::size_t block, std::size_t thread) {
  const std::size_t first = block * kTokenRows;
  const std::size_t count = std::min(kTokenRows, batch.k() - first);
  float* const columns = blocks_ + thread * kTokenRows * kBlockStride;
  for (std::size_t r = 0; r < batch.rows; ++r) {
    const float* const from = batch.x + r * batch.stride + first;
    for (std::size_t i = 0; i < count; ++i) columns[i * kBlockStride + r] = from[i];
  }
  for (std::size_t i = 0; i < count; ++i) {
    float* const column = columns + i * kBlockStride;
    std::fill(column + batch.rows, column + batch.columns.k, 0.0f);
    ops_.quantize_token(column, first + i, kNoOutliers, batch.columns);
  }
  pack_token_block(batch.columns, block, panels_ + block * batch.weights.panel_bytes());
}

// Columns [first, first + kTile) of h's rows [row, row + kTile).
void GramSum::add_tile(const Batch& batch, std::size_t first, std::size_t row, float* h,
                       std::size_t thread) {
  const std::size_t k = batch.k();
  const std::size_t columns = std::min(kTile, k - first);
  PackedMatrix weights = batch.weights;
  weights.data += first / kPanel * weights.panel_bytes();
  weights.n = columns;
  float* const part = products_ + thread * kPartRows * kTile;
  for (std::size_t r = row; r < std::min(k, row + kTile); r += kPartRows) {
    const std::size_t rows = std::min({kPartRows, k - r, row + kTile - r});
    multiply_(weights, 0, weights.panels(), batch.part(r, rows), {part, kTile}, nullptr);
    for (std::size_t i = 0; i < rows; ++i) {
      float* const to = h + (r + i) * k + first;
      for (std::size_t j = 0; j < columns; ++j) to[j] += part[i * kTile + j];
    }
  }
}

}  // namespace halfbyte
