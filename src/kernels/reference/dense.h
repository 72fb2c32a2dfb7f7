// The scalar reference of dense products (contract: kernels/dense.h).
#pragma once

#include "kernels/dense.h"

namespace halfbyte::reference {

void dense_multiply(const DenseProduct& product, std::byte* scratch) noexcept;

}  // namespace halfbyte::reference
