// The pass of GPTQ over the columns (Frantar et al. 2022, arXiv 2210.17323): each column is rounded
// to the grid after the errors of all columns before it have been made up for as well as it can.
#pragma once

#include "compress/gptq_rows.h"

namespace halfbyte {

// With refit_blocks the scales of a block are fitted (to `importance`, by column) when the pass
// reaches it, to the weights as they are to be by then; the order must be the natural one.
// Otherwise the rows have their scales. H must be factored. Returns D H D^T of each row, D =
// weights
// - values and H damped: with the factor, a sum of a square for each column.
std::vector<double> gptq_pass(const GptqContext& context, std::span<const float> importance,
                              bool refit_blocks, GptqRows& rows);

}  // namespace halfbyte
