// Peak loops of AVX-512 BF16.
#pragma once

#include "kernels/peak.h"

namespace halfbyte {

PeakRows avx512bf16_peak_rows();

}  // namespace halfbyte
