// Row operations in AVX2.
#pragma once

#include "kernels/row_ops.h"

namespace halfbyte {

const RowOps& avx2_row_ops();

}  // namespace halfbyte
