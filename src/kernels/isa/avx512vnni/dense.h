// Dense products in AVX-512.
#pragma once

#include "kernels/dense.h"

namespace halfbyte {

void avx512vnni_dense_multiply(const DenseProduct& product, std::byte* scratch) noexcept;

}  // namespace halfbyte
