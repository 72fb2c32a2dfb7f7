// A view of packed weights (kernels/packed.h has the layout). Plain data: kernels compiled for one
// instruction set read its members and call none of its functions.
#pragma once

#include <cstddef>
#include <cstdint>
#include <limits>

#include "tensor/dtype.h"

namespace halfbyte {

constexpr std::uint64_t kPanel = 16;  // outputs a panel

// The limit of outliers (TokenRows) where all inputs are quantized.
constexpr float kNoOutliers = std::numeric_limits<float>::infinity();

// data is 64-byte aligned and holds packed_bytes(dtype, n, k) bytes.
struct PackedMatrix {
  DType dtype = DType::f32;
  std::uint64_t n = 0;  // outputs
  std::uint64_t k = 0;  // inputs
  const std::byte* data = nullptr;

  std::uint64_t panels() const { return (n + kPanel - 1) / kPanel; }
  std::uint64_t panel_bytes() const;
  const std::byte* panel(std::uint64_t index) const { return data + index * panel_bytes(); }
};

}  // namespace halfbyte
