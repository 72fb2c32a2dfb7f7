// Descent on the error D H D^T itself, D = weights - values and H damped, once all codes are there.
// The damping serves inputs that calibration has not seen, and costs nothing on those that it has.
#pragma once

#include "compress/gptq_rows.h"

namespace halfbyte {

// One sweep over the blocks of the grid. In each block, given all that lies outside it:
// - scales: least squares for the block's scales and minimums with its codes as they are; kept in a
//   row where the stored scales lower its error;
// - codes: each moves to the level that is best given all others.
// Returns by how much each row's error has fallen.
std::vector<double> gptq_refine(const GptqContext& context, bool scales, bool codes,
                                GptqRows& rows);

}  // namespace halfbyte
