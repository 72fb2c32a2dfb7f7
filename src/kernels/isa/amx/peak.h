// Peak loops of AMX.
#pragma once

#include "kernels/peak.h"

namespace halfbyte {

PeakRows amx_peak_rows();

}  // namespace halfbyte
