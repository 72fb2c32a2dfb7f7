// Peak loops of plain C++.
#pragma once

#include "kernels/peak.h"

namespace halfbyte {

PeakRows scalar_peak_rows();

}  // namespace halfbyte
