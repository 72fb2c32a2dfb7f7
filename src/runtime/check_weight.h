// What a checkpoint's tensor must be to stand for a weight of the plan.
#pragma once

#include "model/model_files.h"
#include "model/plan.h"

namespace halfbyte {

// The shape that the plan asks for (vectors count their elements only) and a layout that is known,
// with the bytes that it takes. Fails with kMalformed or, for another layout, kUnsupported.
void check_weight(const ModelFiles& files, const ModelTensor& tensor, const WeightRef& ref);

}  // namespace halfbyte
