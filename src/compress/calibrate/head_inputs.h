// What the head sees, once all blocks have run.
#pragma once

#include "compress/calibrate/block_runner.h"
#include "compress/calibrate/input_stats.h"

namespace halfbyte {

// Statistics of the last norm's outputs over the runner's samples; of a head that is the embedding,
// too, with its lookups. `gram`: computes the Gram matrix; nullptr: there is none.
InputStats head_inputs(BlockRunner& runner, ThreadPool& pool, GramSum* gram);

}  // namespace halfbyte
