// Peak loops of 256-bit VNNI.
#pragma once

#include "kernels/peak.h"

namespace halfbyte {

PeakRows avxvnni_peak_rows();

}  // namespace halfbyte
