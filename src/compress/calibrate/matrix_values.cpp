#include "compress/calibrate/matrix_values.h"

#include "compress/finite.h"
#include "kernels/packed.h"

namespace halfbyte {

namespace {

constexpr std::size_t kRowsAtOnce = 8;

void check_finite(const std::vector<float>& values, const ModelTensor& tensor,
                  std::string_view file) {
  const std::size_t bad = first_not_finite(values);
  if (bad == values.size()) return;
  const std::uint64_t columns = tensor.shape.size() == 2 ? tensor.shape[1] : values.size();
  fail_not_finite(file, tensor.name, values[bad], bad / columns, bad % columns);
}

// [rows, columns] -> [columns, rows]
std::vector<float> turned(const std::vector<float>& values, std::uint64_t rows,
                          std::uint64_t columns) {
  std::vector<float> result(values.size());
  for (std::uint64_t r = 0; r < rows; ++r) {
    for (std::uint64_t c = 0; c < columns; ++c) result[c * rows + r] = values[r * columns + c];
  }
  return result;
}

}  // namespace

std::vector<float> matrix_values(const ModelTensor& tensor, std::string_view file,
                                 ThreadPool& pool) {
  const std::uint64_t n = tensor.shape[0];
  const std::uint64_t k = tensor.shape[1];
  std::vector<float> values(n * k);
  if (tensor.layout == kPackedLayout) {
    const PackedMatrix packed{tensor.dtype, n, k, tensor.data.data()};
    pool.parallel_for(n, kRowsAtOnce, [&](std::size_t begin, std::size_t end) {
      for (std::size_t row = begin; row < end; ++row) unpack_row(packed, row, &values[row * k]);
    });
  } else {
    const std::uint64_t rows = tensor.transposed ? k : n;
    const std::uint64_t columns = tensor.transposed ? n : k;
    const TensorView view{tensor.name, tensor.dtype, {rows, columns}, tensor.data};
    pool.parallel_for(rows, kRowsAtOnce, [&](std::size_t begin, std::size_t end) {
      decode_rows(view, begin, end, &values[begin * columns]);
    });
    if (tensor.transposed) values = turned(values, k, n);
  }
  check_finite(values, tensor, file);
  return values;
}

std::vector<float> vector_values(const ModelTensor& tensor, std::string_view file) {
  const std::uint64_t n = element_count(tensor.shape).value();
  std::vector<float> values(n);
  decode_rows({tensor.name, tensor.dtype, {1, n}, tensor.data}, 0, 1, values.data());
  check_finite(values, tensor, file);
  return values;
}

void release_pages(const ModelFiles& files, const ModelTensor& tensor) {
  files.checkpoint().release({tensor.name, DType::u8, {tensor.data.size()}, tensor.data});
}

}  // namespace halfbyte
