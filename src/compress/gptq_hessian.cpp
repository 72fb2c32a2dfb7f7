#include "compress/gptq_hessian.h"

#include <algorithm>
#include <numeric>

namespace halfbyte {
namespace {

constexpr std::size_t kTile = 64;  // of copies between the triangles

}  // namespace

GptqHessian::GptqHessian(DenseWorkers& workers, float* h, std::size_t k,
                         const HessianOptions& options)
    : h_(h), k_(k), descending_(options.descending), damping_(options.damping) {
  look_at_diagonal();
  sort_columns();
  for (bool last = false; !factored_ && !last;) {
    last = damping_ >= kMostDamping || alive_mean_ <= 0.0;
    fill_upper(workers);
    factored_ = factor_upper(workers, h_, k_);
    if (!factored_ && !last) damping_ = std::min(std::max(damping_, 1e-4) * 10, kMostDamping);
  }
  if (!factored_) return;
  scale_columns(workers);
  copy_squares(workers);
}

void GptqHessian::look_at_diagonal() {
  diagonal_.resize(k_);
  for (std::size_t i = 0; i < k_; ++i) diagonal_[i] = h_[i * k_ + i];
  dead_ = static_cast<std::size_t>(std::count(diagonal_.begin(), diagonal_.end(), 0.0f));
  const double sum = std::accumulate(diagonal_.begin(), diagonal_.end(), 0.0);
  if (dead_ < k_) alive_mean_ = sum / static_cast<double>(k_ - dead_);
}

void GptqHessian::sort_columns() {
  order_.resize(k_);
  std::iota(order_.begin(), order_.end(), 0U);
  if (!descending_) return;
  std::stable_sort(order_.begin(), order_.end(),
                   [&](std::uint32_t a, std::uint32_t b) { return diagonal_[a] > diagonal_[b]; });
}

// Of the damped H.
float GptqHessian::at(std::size_t i, std::size_t j) const {
  return i > j ? h_[i * k_ + j] : i < j ? h_[j * k_ + i] : importance_[i];
}

// The upper triangle = the damped H in the order of columns, from the lower triangle.
void GptqHessian::fill_upper(DenseWorkers& workers) {
  importance_.resize(k_);
  const auto damping = static_cast<float>(damping_ * alive_mean_);
  for (std::size_t i = 0; i < k_; ++i) {
    const float alone = dead(i) ? static_cast<float>(alive_mean_) : diagonal_[i] + damping;
    importance_[i] = alive_mean_ > 0.0 ? std::max(alone, 0.0f) : 1.0f;
  }
  const std::size_t tiles = (k_ + kTile - 1) / kTile;
  workers.for_each(tiles, [&](std::size_t, std::size_t tile) {
    const std::size_t end = std::min(k_, (tile + 1) * kTile);
    for (std::size_t column = tile * kTile; column < k_; column += kTile) {
      for (std::size_t i = tile * kTile; i < end; ++i) {
        const std::size_t last = std::min(k_, column + kTile);
        for (std::size_t j = std::max(i, column); j < last; ++j) {
          h_[i * k_ + j] = at(order_[i], order_[j]);
        }
      }
    }
  });
}

// R = T sqrt(diag(pivots)).
void GptqHessian::scale_columns(DenseWorkers& workers) {
  std::vector<float> inverse(k_);
  pivots_.resize(k_);
  for (std::size_t p = 0; p < k_; ++p) {
    const float root = h_[p * k_ + p];
    inverse[p] = 1.0f / root;
    pivots_[order_[p]] = root * root;
  }
  workers.pool().parallel_for(k_, kTile, [&](std::size_t begin, std::size_t end) {
    for (std::size_t i = begin; i < end; ++i) {
      for (std::size_t j = i + 1; j < k_; ++j) h_[i * k_ + j] *= inverse[j];
    }
  });
}

void GptqHessian::copy_square(std::size_t begin, std::size_t size, std::span<const float> diagonal,
                              float* to) const {
  for (std::size_t i = 0; i < size; ++i) {
    const float* from = h_ + (begin + i) * k_ + begin;
    for (std::size_t j = 0; j < i; ++j) to[i * size + j] = to[j * size + i] = from[j];
    to[i * size + i] = diagonal[begin + i];
  }
}

void GptqHessian::copy_squares(DenseWorkers& workers) {
  squares_.resize(k_ * kWindow);
  workers.for_each((k_ + kWindow - 1) / kWindow, [&](std::size_t, std::size_t window) {
    const std::size_t begin = window * kWindow;
    copy_square(begin, window_size(begin), importance_, squares_.data() + begin * kWindow);
  });
}

void GptqHessian::multiply_before(DenseWorkers& workers, std::size_t thread, const float* x,
                                  std::size_t rows, std::size_t begin, std::size_t size,
                                  float* to) const {
  std::fill_n(to, rows * size, 0.0f);
  const DenseOperand above = {h_ + begin * k_, k_, 1};  // H[begin.., 0..], the same transposed
  workers.multiply(thread, {{x, k_, 1}, transposed(above), to, size, rows, size, begin});
}

void GptqHessian::multiply_outside(DenseWorkers& workers, std::size_t thread, const float* x,
                                   std::size_t rows, std::size_t begin, std::size_t size,
                                   float* to) const {
  const std::size_t end = begin + size;
  multiply_before(workers, thread, x, rows, begin, size, to);
  const DenseOperand below = {h_ + end * k_ + begin, k_, 1};
  workers.multiply(thread, {{x + end, k_, 1}, below, to, size, rows, size, k_ - end});
}

}  // namespace halfbyte
