// Peak loops of AVX2.
#pragma once

#include "kernels/peak.h"

namespace halfbyte {

PeakRows avx2_peak_rows();

}  // namespace halfbyte
