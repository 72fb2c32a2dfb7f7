// Linear kernels for AVX2 with FMA and F16C.
#pragma once

#include "kernels/linear_rows.h"

namespace halfbyte {

LinearRows avx2_int8_rows();
LinearRows avx2_stream_rows();  // decoding, for CpuFeature::read_streams
LinearRows avx2_token_rows();
LinearRows avx2_f32_rows();

}  // namespace halfbyte
