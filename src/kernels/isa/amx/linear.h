// Linear kernels for AMX.
#pragma once

#include "kernels/linear_rows.h"

namespace halfbyte {

LinearRows amx_bf16_rows();
LinearRows amx_token_rows();

}  // namespace halfbyte
