// Rows of a matrix on their way through GPTQ. Each row is independent of the others; some at once
// share the reads of H.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "compress/gptq_hessian.h"
#include "tensor/grid.h"

namespace halfbyte {

// What all rows share: H, the grid, and who computes.
struct GptqContext {
  DenseWorkers& workers;
  std::size_t thread;
  const GptqHessian& hessian;
  const Grid& grid;
};

inline float grid_value(const Grid& grid, const GridBlock& block, std::size_t group,
                        std::uint8_t code) {
  return block.scale[group] * grid.levels[code] - block.min[group];
}

class GptqRows {
 public:
  // weights [rows, k], of which dead columns are taken as 0.
  GptqRows(const GptqContext& context, const float* weights, std::size_t rows);

  std::size_t rows() const { return rows_; }
  std::size_t size() const { return k_; }
  float* weights(std::size_t row) { return weights_.data() + row * k_; }
  // weights - values.
  float* errors(std::size_t row) { return errors_.data() + row * k_; }
  std::uint8_t* codes(std::size_t row) { return codes_.data() + row * k_; }
  // The block that holds a column, and the group in it.
  GridBlock& block(std::size_t row, std::size_t column) {
    return blocks_[(row * k_ + column) >> block_shift_];
  }
  std::size_t group(std::size_t column) const {
    return (column >> group_shift_) & (grid_.groups() - 1);
  }
  float value(std::size_t row, std::size_t column, std::uint8_t code) {
    return grid_value(grid_, block(row, column), group(column), code);
  }
  std::uint8_t nearest(std::size_t row, std::size_t column, float target) {
    const GridBlock& scales = block(row, column);
    const std::size_t g = group(column);
    return nearest_code(grid_, scales.scale[g], scales.min[g], target);
  }

  // Of types that have them, the scales of whole rows, where blocks are fitted one after another.
  void scale_rows(std::span<const float> importance);
  // All scales from the weights as they are.
  void fit(std::span<const float> importance);
  // Every code the nearest.
  void round();
  // value[k], as decoding gives it.
  void decode(std::size_t row, float* values);
  void encode(std::size_t row, std::byte* to);

 private:
  const Grid& grid_;
  std::size_t rows_;
  std::size_t k_;
  int block_shift_;  // both are powers of two
  int group_shift_;
  std::vector<float> weights_;
  std::vector<float> errors_;
  std::vector<std::uint8_t> codes_;
  std::vector<GridBlock> blocks_;
};

// x H x^T of each row x of [rows, k].
std::vector<double> quadratic_forms(const GptqContext& context, const float* x, std::size_t rows);

}  // namespace halfbyte
