// Row operations of the `scalar` rows: the reference itself.
#pragma once

#include "kernels/row_ops.h"

namespace halfbyte {

const RowOps& scalar_row_ops();
const AttentionOps& scalar_attention();

}  // namespace halfbyte
