#include "compress/rtn.h"

#include "compress/output_error.h"

namespace halfbyte {

namespace {

constexpr std::size_t kRowsAtOnce = 8;

std::vector<std::byte> encode_rows(const MatrixTask& task, const std::vector<float>& importance,
                                   ThreadPool& pool) {
  const DTypeInfo& type = info(task.dtype);
  const std::uint64_t bytes = row_bytes(task.dtype, task.k).value();
  std::vector<std::byte> rows(task.n * bytes);
  pool.parallel_for(task.n, kRowsAtOnce, [&](std::size_t begin, std::size_t end) {
    for (std::size_t row = begin; row < end; ++row) {
      const float* const weights = &task.weights[row * task.k];
      if (type.encode_weighted != nullptr) {
        type.encode_weighted(weights, importance.data(), &rows[row * bytes], task.k);
      } else {
        type.encode(weights, &rows[row * bytes], task.k);
      }
    }
  });
  return rows;
}

}  // namespace

void rtn_encode(const DTypeInfo& type, const float* src, std::byte* dst, std::size_t rows,
                std::size_t columns) {
  encode_whole_rows(type, src, dst, rows, columns);
}

std::vector<MatrixResult> rtn_solve(std::vector<MatrixTask>& matrices, InputStats& inputs,
                                    DenseWorkers& workers) {
  const std::vector<float> importance = inputs.mean_square();
  std::vector<MatrixResult> results;
  for (const MatrixTask& task : matrices) {
    MatrixResult& result = results.emplace_back();
    result.rows = encode_rows(task, importance, workers.pool());
    result.error = output_error(task, result.rows, importance, workers.pool());
  }
  return results;
}

}  // namespace halfbyte
