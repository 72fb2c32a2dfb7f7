#include "compress/rtn.h"

#include <algorithm>

#include "compress/output_error.h"

namespace halfbyte {

namespace {

constexpr std::size_t kRowsAtOnce = 8;

}  // namespace

void rtn_encode(const DTypeInfo& type, const float* src, std::byte* dst, std::size_t n) {
  type.encode(src, dst, n);
}

MatrixResult rtn_solve(MatrixTask task, DenseWorkers& workers) {
  const DTypeInfo& type = info(task.dtype);
  const std::uint64_t bytes = row_bytes(task.dtype, task.k).value();
  const std::vector<float> importance = task.inputs.mean_square();
  MatrixResult result;
  result.rows.resize(task.n * bytes);
  workers.pool().parallel_for(task.n, kRowsAtOnce, [&](std::size_t begin, std::size_t end) {
    for (std::size_t row = begin; row < end; ++row) {
      type.encode(&task.weights[row * task.k], &result.rows[row * bytes], task.k);
    }
  });
  result.error = output_error(task, result.rows, workers.pool());
  return result;
}

}  // namespace halfbyte
