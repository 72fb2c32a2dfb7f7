#include "tensor/view.h"

#include <algorithm>
#include <cassert>
#include <span>

#include <fmt/format.h>
#include <fmt/ranges.h>

namespace halfbyte {

namespace {

// Zero dimensions count as one while checking, so that no partial product, in any order of the
// dimensions, overflows where the whole does not.
std::optional<std::uint64_t> product(std::span<const std::uint64_t> dimensions) {
  std::uint64_t total = 1;
  for (const std::uint64_t dimension : dimensions) {
    const auto next = checked_mul(total, std::max<std::uint64_t>(dimension, 1));
    if (!next) return std::nullopt;
    total = *next;
  }
  return std::ranges::find(dimensions, 0u) == dimensions.end() ? total : 0;
}

std::span<const std::uint64_t> all_but_last(const Shape& shape) {
  return std::span(shape).first(shape.empty() ? 0 : shape.size() - 1);
}

}  // namespace

std::optional<std::uint64_t> element_count(const Shape& shape) {
  return product(shape);
}

std::optional<std::uint64_t> tensor_bytes(DType dtype, const Shape& shape) {
  if (!element_count(shape)) return std::nullopt;
  const auto row = row_bytes(dtype, shape.empty() ? 1 : shape.back());
  if (!row) return std::nullopt;
  return checked_mul(*row, *product(all_but_last(shape)));
}

std::string to_string(const Shape& shape) {
  return fmt::format("[{}]", fmt::join(shape, ", "));
}

std::uint64_t TensorView::rows() const {
  return product(all_but_last(shape)).value();
}

std::uint64_t TensorView::columns() const {
  return shape.empty() ? 1 : shape.back();
}

ByteView TensorView::row(std::uint64_t index) const {
  assert(index < rows());
  const std::uint64_t bytes = row_bytes(dtype, columns()).value();
  return data.subspan(index * bytes, bytes);
}

void decode_rows(const TensorView& tensor, std::uint64_t begin, std::uint64_t end, float* dst) {
  const DTypeInfo& type = info(tensor.dtype);
  if (type.decode == nullptr) {
    fail_unsupported(
        "", fmt::format("tensor '{}' has type {}, which holds no weights", tensor.name, type.name));
  }
  assert(begin <= end && end <= tensor.rows());
  const std::uint64_t bytes = row_bytes(tensor.dtype, tensor.columns()).value();
  const ByteView source = tensor.data.subspan(begin * bytes, (end - begin) * bytes);
  decode_whole_rows(type, source.data(), dst, end - begin, tensor.columns());
}

}  // namespace halfbyte
