#include "compress/output_error.h"

#include <cmath>

namespace halfbyte {

namespace {

constexpr std::size_t kRowsAtOnce = 8;

struct Sums {
  double difference = 0.0;
  double output = 0.0;
};

Sums row_sums(const float* w, const float* q, const std::vector<float>& squares) {
  Sums sums;
  for (std::size_t i = 0; i < squares.size(); ++i) {
    const double difference = double{w[i]} - double{q[i]};
    sums.difference += double{squares[i]} * difference * difference;
    sums.output += double{squares[i]} * double{w[i]} * double{w[i]};
  }
  return sums;
}

}  // namespace

double output_error(const MatrixTask& task, const std::vector<std::byte>& rows,
                    const std::vector<float>& mean_squares, ThreadPool& pool) {
  const std::uint64_t bytes = rows.size() / task.n;
  std::vector<Sums> of_rows(task.n);
  pool.parallel_for(task.n, kRowsAtOnce, [&](std::size_t begin, std::size_t end) {
    std::vector<float> decoded(task.k);
    for (std::size_t row = begin; row < end; ++row) {
      info(task.dtype).decode(&rows[row * bytes], decoded.data(), task.k);
      of_rows[row] = row_sums(&task.weights[row * task.k], decoded.data(), mean_squares);
    }
  });
  Sums total;
  for (const Sums& sums : of_rows) {
    total.difference += sums.difference;
    total.output += sums.output;
  }
  return total.output > 0.0 ? std::sqrt(total.difference / total.output) : 0.0;
}

}  // namespace halfbyte
