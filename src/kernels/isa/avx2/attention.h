// Attention in AVX2.
#pragma once

#include "kernels/row_ops.h"

namespace halfbyte {

const AttentionOps& avx2_attention();

}  // namespace halfbyte
