// The method "refine": what a solver has chosen for a block's matrices is the start of a descent on
// the error of the block's outputs (AutoRound's SignRound, Cheng et al. 2023, arXiv 2309.05516).
#pragma once

#include "compress/calibrate/block_task.h"

namespace halfbyte {

// Changes the encoded rows of the task's matrices, or leaves them where nothing better is found.
// Fails with kUnsupported for blocks with a step that has no adjoint.
void refine_block(RefineTask& task);
// No block of the model has such a step.
bool can_refine(const Plan& plan);

}  // namespace halfbyte
