// Attention in AVX-512 BF16.
#pragma once

#include "kernels/row_ops.h"

namespace halfbyte {

const AttentionOps& avx512bf16_attention();

}  // namespace halfbyte
