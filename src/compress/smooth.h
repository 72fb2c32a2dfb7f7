// SmoothQuant (Xiao et al., 2022): outliers of a norm's outputs move into the matrices behind it.
#pragma once

#include <span>
#include <vector>

#include "compress/fold.h"

namespace halfbyte {

// How much of the outliers moves: 0.5 in the paper.
constexpr float kSmoothing = 0.5f;

// s = input^smoothing / weight^(1 - smoothing) by channel, of max |x| and max |w|; both count as at
// least 1e-5. A channel where one of them is 0 gets 1.
std::vector<float> smooth_scales(std::span<const float> input, std::span<const float> weight,
                                 float smoothing = kSmoothing);

// Folds them behind all norms of the block whose matrices will be quantized.
void smooth_transform(BlockTask& task);

}  // namespace halfbyte
