#include "compress/allocate/type_errors.h"

#include <algorithm>

#include "compress/rtn.h"

namespace halfbyte {

namespace {

constexpr std::uint64_t kSampledRows = 64;  // of a matrix, evenly from all over it

// Rows are a sample: their energy stands for the whole matrix's.
double sample_rows(MatrixTask& task) {
  const std::uint64_t rows = std::min(task.n, kSampledRows);
  for (std::uint64_t row = 0; row < rows; ++row) {
    const std::uint64_t from = row * task.n / rows;
    std::copy_n(task.weights.data() + from * task.k, task.k, task.weights.data() + row * task.k);
  }
  const double share = static_cast<double>(task.n) / static_cast<double>(rows);
  task.weights.resize(rows * task.k);
  task.n = rows;
  return share;
}

// Sum of the squared outputs.
double energy_of(const MatrixTask& task, const std::vector<float>& mean_squares) {
  double sum = 0.0;
  for (std::uint64_t i = 0; i < task.n * task.k; ++i) {
    sum += double{task.weights[i]} * double{task.weights[i]} * double{mean_squares[i % task.k]};
  }
  return sum;
}

}  // namespace

void add_type_errors(MatrixTask matrix, const std::vector<DType>& types, InputStats& inputs,
                     DenseWorkers& workers, std::vector<double>& errors) {
  std::vector<MatrixTask> tasks;
  const double share = sample_rows(matrix);
  const double energy = share * energy_of(matrix, inputs.mean_square());
  tasks.push_back(std::move(matrix));
  for (std::size_t i = 0; i < types.size(); ++i) {
    tasks.front().dtype = types[i];
    const double relative = rtn_solve(tasks, inputs, workers).front().error;
    errors[i] += relative * relative * energy;
  }
}

}  // namespace halfbyte
