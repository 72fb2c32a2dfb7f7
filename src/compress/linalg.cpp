#include "compress/linalg.h"

#include <algorithm>
#include <atomic>
#include <cmath>

namespace halfbyte {

void DenseWorkers::for_each(std::size_t items,
                            const std::function<void(std::size_t thread, std::size_t item)>& work) {
  pool_->run([&](std::size_t thread, Team& team) {
    for (std::size_t i = team.next(); i < items; i = team.next()) work(thread, i);
  });
}

DenseProduct gram_product(const float* x, std::size_t stride, std::size_t rows, std::size_t k,
                          float* h) {
  const DenseOperand inputs = {x, stride, 1};
  return {transposed(inputs), inputs, h, k, k, k, rows};
}

void add_gram(DenseWorkers& workers, const DenseProduct& gram) {
  workers.for_each(dense_tiles(gram, DensePart::lower), [&](std::size_t thread, std::size_t tile) {
    workers.multiply(thread, dense_tile(gram, DensePart::lower, tile));
  });
}

namespace {

constexpr std::size_t kPanel = 64;  // columns
constexpr std::size_t kRows = 64;   // that a thread takes at a time
// A pivot that has lost so much of its diagonal element is rounding noise.
constexpr float kLeastPivot = 1e-6f;

// y[0, n) -= factor * x[0, n).
void subtract_multiple(float factor, const float* x, std::size_t n, float* y) {
  for (std::size_t i = 0; i < n; ++i) y[i] -= factor * x[i];
}

// The square on the diagonal that a panel [begin, end) ends in, transposed: column p of R lies in
// row p, [0, p].
struct Square {
  float columns[kPanel][kPanel];
  float inverse[kPanel];  // of R's diagonal
  float least[kPanel];    // pivots must be larger

  void load(const float* a, std::size_t k, std::size_t begin, std::size_t size) {
    for (std::size_t p = 0; p < size; ++p) {
      for (std::size_t i = 0; i <= p; ++i) columns[p][i] = a[(begin + i) * k + begin + p];
      for (std::size_t i = p + 1; i < size; ++i) columns[p][i] = 0.0f;  // never used
      least[p] = kLeastPivot * columns[p][p];
    }
  }
  void store(float* a, std::size_t k, std::size_t begin, std::size_t size) const {
    for (std::size_t p = 0; p < size; ++p) {
      for (std::size_t i = 0; i <= p; ++i) a[(begin + i) * k + begin + p] = columns[p][i];
    }
  }
  bool factor(std::size_t size) {
    for (std::size_t p = size; p-- > 0;) {
      float* column = columns[p];
      if (!(column[p] > least[p])) return false;  // a NaN, too
      column[p] = std::sqrt(column[p]);
      inverse[p] = 1.0f / column[p];
      for (std::size_t i = 0; i < p; ++i) column[i] *= inverse[p];
      for (std::size_t q = 0; q < p; ++q) subtract_multiple(column[q], column, q + 1, columns[q]);
    }
    return true;
  }
  // x R^T = row: x in the place of row.
  void solve(float* row, std::size_t size) const {
    for (std::size_t p = size; p-- > 0;) {
      row[p] *= inverse[p];
      subtract_multiple(row[p], columns[p], p, row);
    }
  }
};

class UpperFactorization {
 public:
  UpperFactorization(DenseWorkers& workers, float* a, std::size_t k)
      : workers_(workers), a_(a), k_(k) {}

  bool run() {
    workers_.pool().run([&](std::size_t thread, Team& team) { work(thread, team); });
    return !failed_;
  }

 private:
  void work(std::size_t thread, Team& team) {
    for (std::size_t end = k_; end > 0;) {
      const std::size_t begin = (end - 1) / kPanel * kPanel;
      if (thread == 0) factor_square(begin, end);
      // The first thread, busy with the square, takes rows last.
      const std::size_t first = team.size() - 1 - thread;
      for (std::size_t row = first * kRows; row < begin; row += team.size() * kRows) {
        subtract_behind(thread, row, std::min(kRows, begin - row), begin, end);
      }
      team.barrier();
      if (failed_) return;
      for (std::size_t row = first * kRows; row < begin; row += team.size() * kRows) {
        solve_rows(row, std::min(row + kRows, begin), begin, end);
      }
      team.barrier();
      end = begin;
    }
  }

  // Rows x columns [begin, end) -= their products with the columns from `end` on.
  void subtract_behind(std::size_t thread, std::size_t row, std::size_t rows, std::size_t begin,
                       std::size_t end) {
    const DenseOperand a = {a_ + row * k_ + end, k_, 1};
    const DenseOperand b = {a_ + begin * k_ + end, k_, 1};
    float* c = a_ + row * k_ + begin;
    workers_.multiply(thread, {a, transposed(b), c, k_, rows, end - begin, k_ - end, true});
  }

  void factor_square(std::size_t begin, std::size_t end) {
    const std::size_t size = end - begin;
    square_.load(a_, k_, begin, size);
    const DenseOperand rows = {a_ + begin * k_ + end, k_, 1};
    workers_.multiply(
        0, {rows, transposed(rows), square_.columns[0], kPanel, size, size, k_ - end, true});
    if (square_.factor(size)) {
      square_.store(a_, k_, begin, size);
    } else {
      failed_ = true;
    }
  }

  void solve_rows(std::size_t row, std::size_t row_end, std::size_t begin, std::size_t end) {
    for (; row < row_end; ++row) square_.solve(a_ + row * k_ + begin, end - begin);
  }

  DenseWorkers& workers_;
  float* a_;
  std::size_t k_;
  Square square_ = {};
  std::atomic<bool> failed_ = false;
};

}  // namespace

bool factor_upper(DenseWorkers& workers, float* a, std::size_t k) {
  return UpperFactorization(workers, a, k).run();
}

}  // namespace halfbyte
