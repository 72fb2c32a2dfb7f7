// Attention in AVX-512.
#pragma once

#include "kernels/row_ops.h"

namespace halfbyte {

const AttentionOps& avx512vnni_attention();

}  // namespace halfbyte
