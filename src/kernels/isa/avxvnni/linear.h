// Linear kernels for 256-bit VNNI without AVX-512 (client CPUs since 2021).
#pragma once

#include "kernels/linear_rows.h"

namespace halfbyte {

LinearRows avxvnni_int8_rows();
LinearRows avxvnni_stream_rows();  // decoding, for CpuFeature::read_streams
LinearRows avxvnni_token_rows();

}  // namespace halfbyte
