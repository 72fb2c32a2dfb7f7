#include "compress/rtn.h"

#include "compress/output_error.h"
#include "tensor/grid.h"
#include "tensor/group_types.h"

namespace halfbyte {

namespace {

constexpr std::size_t kRowsAtOnce = 8;

std::vector<std::byte> encode_rows(const MatrixTask& task, const std::vector<float>& importance,
                                   ThreadPool& pool) {
  const std::uint64_t bytes = row_bytes(task.dtype, task.k).value();
  std::vector<std::byte> rows(task.n * bytes);
  pool.parallel_for(task.n, kRowsAtOnce, [&](std::size_t begin, std::size_t end) {
    for (std::size_t row = begin; row < end; ++row) {
      rtn_encode_row(task.dtype, task.rules, &task.weights[row * task.k], importance.data(),
                     &rows[row * bytes], task.k);
    }
  });
  return rows;
}

void encode_on_grid(const Grid& grid, const float* src, const float* importance, std::byte* dst,
                    std::size_t k) {
  std::vector<std::uint8_t> codes(grid.block);
  std::vector<GridBlock> blocks(k / grid.block);
  fit_row(grid, src, importance, k, blocks.data());
  for (const GridBlock& block : blocks) {
    nearest_codes(grid, block, src, codes.data());
    grid.pack(block, codes.data(), dst);
    src += grid.block;
    dst += info(grid.dtype).block_bytes;
  }
}

}  // namespace

void rtn_encode(const DTypeInfo& type, ScaleRules rules, const float* src, std::byte* dst,
                std::size_t rows, std::size_t columns) {
  const GroupType* const groups = find_group_type(type.dtype);
  if (groups == nullptr) return encode_whole_rows(type, src, dst, rows, columns);
  const std::size_t bytes = row_bytes(type.dtype, columns).value();
  for (std::size_t row = 0; row < rows; ++row) {
    encode_groups(*groups, rules, src + row * columns, dst + row * bytes, columns);
  }
}

void rtn_encode_row(DType dtype, ScaleRules rules, const float* src, const float* importance,
                    std::byte* dst, std::size_t k) {
  const DTypeInfo& type = info(dtype);
  if (rules.any() && find_group_type(dtype) != nullptr) {
    encode_on_grid(*find_grid(dtype, rules), src, importance, dst, k);
  } else if (type.encode_weighted != nullptr) {
    type.encode_weighted(src, importance, dst, k);
  } else {
    type.encode(src, dst, k);
  }
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

std::vector<MatrixResult> rtn_round(const std::vector<MatrixTask>& matrices, ThreadPool& pool) {
  std::vector<MatrixResult> results;
  for (const MatrixTask& task : matrices) {
    const std::uint64_t bytes = row_bytes(task.dtype, task.k).value();
    MatrixResult& result = results.emplace_back();
    result.rows.resize(task.n * bytes);
    pool.parallel_for(task.n, kRowsAtOnce, [&](std::size_t begin, std::size_t end) {
      rtn_encode(info(task.dtype), task.rules, &task.weights[begin * task.k],
                 &result.rows[begin * bytes], end - begin, task.k);
    });
    result.error = output_error(task, result.rows, std::vector<float>(task.k, 1.0f), pool);
  }
  return results;
}

}  // namespace halfbyte
