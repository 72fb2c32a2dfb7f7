// Linear kernels for AVX-512 with VNNI.
#pragma once

#include "kernels/linear_rows.h"

namespace halfbyte {

LinearRows avx512vnni_int8_rows();
LinearRows avx512vnni_stream_rows();  // decoding, for CpuFeature::read_streams
LinearRows avx512vnni_token_rows();
LinearRows avx512vnni_f32_rows();

}  // namespace halfbyte
