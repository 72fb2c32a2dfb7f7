// Peak loops of AVX-512 and its VNNI.
#pragma once

#include "kernels/peak.h"

namespace halfbyte {

PeakRows avx512vnni_peak_rows();

}  // namespace halfbyte
