// Attention in AMX.
#pragma once

#include "kernels/row_ops.h"

namespace halfbyte {

const AttentionOps& amx_attention();

}  // namespace halfbyte
