// The method "refine": what a solver has chosen for a block's matrices is the start of a descent on
// the error of the block's outputs (AutoRound's SignRound, Cheng et al. 2023, arXiv 2309.05516).
#pragma once

#include <string>

#include "compress/calibrate/block_task.h"

namespace halfbyte {

// Changes the encoded rows of the task's matrices, or leaves them where nothing better is found.
// Fails with kUnsupported where refine_obstacle() has something to say.
void refine_block(RefineTask& task);
// What refine cannot do yet for a model whose matrices get this type; "" where it can.
std::string refine_obstacle(const Plan& plan, DType type, ScaleRules rules);

}  // namespace halfbyte
