// What GPTQ knows of a matrix's inputs: H = sum of x x^T, and its triangular factor.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "compress/linalg.h"

namespace halfbyte {

struct HessianOptions {
  double damping = 0.01;    // of the mean of H's diagonal, added to the diagonal
  bool descending = false;  // columns in descending order of H's diagonal ("act order")
};

// One H serves all matrices that have these inputs (q, k and v, say).
//
// The scale of H is free. Inputs that were always zero are dead: their weights count as 0 and cost
// nothing. Where the damped H cannot be factored, the damping is raised tenfold, up to
// kMostDamping.
class GptqHessian {
 public:
  static constexpr double kMostDamping = 10.0;

  // h [k, k], finite numbers (the caller sees to that); only the lower triangle with the diagonal
  // is read. h must outlive this, which keeps the factor in the upper triangle and H in the lower
  // one.
  GptqHessian(DenseWorkers& workers, float* h, std::size_t k, const HessianOptions& options);

  std::size_t size() const { return k_; }
  // False where no damping helped.
  bool factored() const { return factored_; }
  double damping() const { return damping_; }  // the last that was tried
  std::size_t dead_columns() const { return dead_; }
  bool dead(std::size_t column) const { return alive_mean_ > 0.0 && diagonal_[column] == 0.0f; }
  bool descending() const { return descending_; }

  // H's diagonal, undamped.
  std::span<const float> diagonal() const { return diagonal_; }
  // What an error of a column costs: damped diagonal, never zero where H is not.
  std::span<const float> importance() const { return importance_; }
  // The same when the columns behind it, in their order, make up for it as well as they can:
  // 1 / diag(U)^2 of GPTQ's U. By column.
  std::span<const float> pivots() const { return pivots_; }
  // The column at each position of the order.
  std::span<const std::uint32_t> order() const { return order_; }

  // The damped H in that order is T diag(pivots) T^T, T unit upper triangular. So with errors D of
  // the columns before position p, its best value is w[p] + sum over i < p of D[i] T[i, p]: what
  // GPTQ reaches by updating all weights after each column. Row i of T, from position i + 1 on:
  const float* factor() const { return h_; }  // [k, k], strict upper triangle

  // Columns are taken so many at a time: reads of H and the kernels want them wide.
  static constexpr std::size_t kWindow = 256;
  std::size_t window_size(std::size_t begin) const { return std::min(kWindow, k_ - begin); }
  // The damped H between the columns [begin, begin + window_size) of a window, by rows. Where H is
  // factored.
  const float* square(std::size_t begin) const { return squares_.data() + begin * kWindow; }

  // to [size, size], by rows: H between columns [begin, begin + size), with `diagonal`
  // (importance() for the damped H).
  void copy_square(std::size_t begin, std::size_t size, std::span<const float> diagonal,
                   float* to) const;
  // to [rows, size] = x [rows, k] times columns [begin, begin + size) of H, but for the rows of H
  // that have the same numbers.
  void multiply_outside(DenseWorkers& workers, std::size_t thread, const float* x, std::size_t rows,
                        std::size_t begin, std::size_t size, float* to) const;
  // The same of the rows before `begin` only.
  void multiply_before(DenseWorkers& workers, std::size_t thread, const float* x, std::size_t rows,
                       std::size_t begin, std::size_t size, float* to) const;

 private:
  void look_at_diagonal();
  void sort_columns();
  void fill_upper(DenseWorkers& workers);
  float at(std::size_t i, std::size_t j) const;
  void scale_columns(DenseWorkers& workers);
  void copy_squares(DenseWorkers& workers);

  float* h_;
  std::size_t k_;
  bool descending_;
  double damping_;
  bool factored_ = false;
  double alive_mean_ = 0.0;
  std::size_t dead_ = 0;
  std::vector<float> diagonal_;
  std::vector<float> importance_;
  std::vector<float> pivots_;
  std::vector<std::uint32_t> order_;
  std::vector<float> squares_;
};

}  // namespace halfbyte
