// Dense products in AVX2.
#pragma once

#include "kernels/dense.h"

namespace halfbyte {

void avx2_dense_multiply(const DenseProduct& product, std::byte* scratch) noexcept;

}  // namespace halfbyte
