// AWQ (Lin et al., 2023): scales of channels, chosen so that rounding the matrices behind them
// hurts their outputs least. Decision 0014 says how the loss relates to AutoAWQ's.
#pragma once

#include <vector>

#include "compress/awq_loss.h"

namespace halfbyte {

// Folds the best scales into the block; needs the inputs' Gram matrices. Folds whose consumers stay
// floats, and those that no scales serve better than none, are left alone.
void awq_transform(BlockTask& task);

// The best scales by channel; empty where the identity is no worse.
std::vector<float> awq_search(const AwqProblem& problem, DenseWorkers& workers);

}  // namespace halfbyte
