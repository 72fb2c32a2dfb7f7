// Dense products of numbers rounded to bfloat16.
#pragma once

#include "kernels/dense.h"

namespace halfbyte {

void avx512bf16_dense_multiply(const DenseProduct& product, std::byte* scratch) noexcept;

}  // namespace halfbyte
