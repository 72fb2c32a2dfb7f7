// Shapes and non-owning tensor views.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "base/bytes.h"
#include "tensor/dtype.h"

namespace halfbyte {

// Dimensions, outermost first (a weight matrix is [outputs, inputs], as in safetensors; GGUF's
// reversed order is turned around while reading). Row-major, rows contiguous.
using Shape = std::vector<std::uint64_t>;

// Product of the dimensions (1 for rank 0); nullopt on overflow.
std::optional<std::uint64_t> element_count(const Shape& shape);
// Bytes of a tensor; nullopt on overflow or where the last dimension is no multiple of the block.
std::optional<std::uint64_t> tensor_bytes(DType dtype, const Shape& shape);
std::string to_string(const Shape& shape);  // "[49152, 576]"

// A named tensor somewhere in a mapped file. data.size() == tensor_bytes(dtype, shape), always:
// readers check it. data may be unaligned.
struct TensorView {
  std::string name;
  DType dtype = DType::f32;
  Shape shape;
  ByteView data;

  std::uint64_t rows() const;     // product of all dimensions but the last
  std::uint64_t columns() const;  // the last dimension (1 for rank 0)
  ByteView row(std::uint64_t index) const;
};

// Decodes rows [begin, end) to f32 (n = rows * columns). Fails with kUnsupported for types that
// hold no weights.
void decode_rows(const TensorView& tensor, std::uint64_t begin, std::uint64_t end, float* dst);

}  // namespace halfbyte
