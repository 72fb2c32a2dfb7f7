// Linear kernels for AVX-512 with BF16.
#pragma once

#include "kernels/linear_rows.h"

namespace halfbyte {

LinearRows avx512bf16_bf16_rows();

}  // namespace halfbyte
