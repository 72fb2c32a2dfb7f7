#include "compress/gptq_rows.h"

#include <algorithm>
#include <bit>
#include <cstring>

namespace halfbyte {

GptqRows::GptqRows(const GptqContext& context, const float* weights, std::size_t rows)
    : grid_(context.grid),
      rows_(rows),
      k_(context.hessian.size()),
      block_shift_(std::countr_zero(grid_.block)),
      group_shift_(std::countr_zero(grid_.group)),
      weights_(weights, weights + rows * k_),
      errors_(rows * k_),
      codes_(rows * k_),
      blocks_(rows * (k_ / grid_.block)) {
  if (context.hessian.dead_columns() == 0) return;
  for (std::size_t i = 0; i < weights_.size(); ++i) {
    if (context.hessian.dead(i % k_)) weights_[i] = 0.0f;
  }
}

void GptqRows::scale_rows(std::span<const float> importance) {
  for (std::size_t row = 0; row < rows_; ++row) {
    scale_row(grid_, weights(row), importance.data(), k_, &block(row, 0));
  }
}

void GptqRows::fit(std::span<const float> importance) {
  for (std::size_t row = 0; row < rows_; ++row) {
    fit_row(grid_, weights(row), importance.data(), k_, &block(row, 0));
  }
}

void GptqRows::round() {
  for (std::size_t i = 0; i < blocks_.size(); ++i) {
    const std::size_t at = i * grid_.block;
    nearest_codes(grid_, blocks_[i], weights_.data() + at, codes_.data() + at);
  }
  for (std::size_t row = 0; row < rows_; ++row) {
    decode(row, errors(row));
    for (std::size_t i = 0; i < k_; ++i) errors(row)[i] = weights(row)[i] - errors(row)[i];
  }
}

void GptqRows::decode(std::size_t row, float* values) {
  for (std::size_t i = 0; i < k_; ++i) values[i] = value(row, i, codes(row)[i]);
}

void GptqRows::encode(std::size_t row, std::byte* to) {
  const DTypeInfo& type = info(grid_.dtype);
  std::memcpy(to, &block(row, 0).row, type.row_header);
  to += type.row_header;
  for (std::size_t b = 0; b < k_ / grid_.block; ++b) {
    const std::size_t column = b * grid_.block;
    grid_.pack(block(row, column), codes(row) + column, to + b * type.block_bytes);
  }
}

std::vector<double> quadratic_forms(const GptqContext& context, const float* x, std::size_t rows) {
  constexpr std::size_t kColumns = 64;
  const std::size_t k = context.hessian.size();
  std::vector<double> sums(rows);
  std::vector<float> square(kColumns * kColumns);
  std::vector<float> product(rows * kColumns);
  for (std::size_t begin = 0; begin < k; begin += kColumns) {
    const std::size_t size = std::min(kColumns, k - begin);
    context.hessian.copy_square(begin, size, context.hessian.diagonal(), square.data());
    // H is symmetric: what a column has with those before it counts twice.
    context.hessian.multiply_before(context.workers, context.thread, x, rows, begin, size,
                                    product.data());
    for (float& value : product) value *= 2.0f;
    context.workers.multiply(
        context.thread,
        {{x + begin, k, 1}, {square.data(), size, 1}, product.data(), size, rows, size, size});
    for (std::size_t row = 0; row < rows; ++row) {
      const float* values = x + row * k + begin;
      for (std::size_t i = 0; i < size; ++i) {
        sums[row] += static_cast<double>(values[i]) * product[row * size + i];
      }
    }
  }
  return sums;
}

}  // namespace halfbyte
