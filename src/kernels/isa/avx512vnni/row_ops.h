// Row operations in AVX-512.
#pragma once

#include "kernels/row_ops.h"

namespace halfbyte {

const RowOps& avx512vnni_row_ops();

}  // namespace halfbyte
