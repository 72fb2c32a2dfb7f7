// What harnesses ask of the views a parser returns.
#pragma once

#include <cstdlib>

#include "tensor/view.h"

namespace halfbyte::fuzz {

inline void require(bool holds) {
  if (!holds) std::abort();
}

// Reads the first and last byte, so that the address sanitizer sees a view that sticks out.
inline void touch(ByteView bytes) {
  if (bytes.empty()) return;
  volatile std::byte sink = bytes.front();
  sink = bytes.back();
  static_cast<void>(sink);
}

inline void check_tensor(const TensorView& tensor) {
  require(tensor_bytes(tensor.dtype, tensor.shape) == tensor.data.size());
  require(tensor.rows() * tensor.columns() == element_count(tensor.shape));
  touch(tensor.data);
}

}  // namespace halfbyte::fuzz
