// What an attention step of a pass asks of the kernels, for one segment.
#pragma once

#include "runtime/execute.h"

namespace halfbyte {

// Over the segment's cache, or its own keys and values in the row buffer.
AttentionArgs self_attention_args(const Pass& pass, const Step& step, const Segment& segment);
// Over keys and values of the encoder's output.
AttentionArgs cross_attention_args(const Pass& pass, const Step& step, const Segment& segment);

}  // namespace halfbyte
