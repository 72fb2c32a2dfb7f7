// The scales that AWQ (Lin et al., 2023) tries for a fold, by channel.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "compress/fold.h"
#include "tensor/group_types.h"

namespace halfbyte {

// A matrix that reads the channels: f32 [n, k], and the type that it will get.
struct AwqMatrix {
  const float* values = nullptr;
  std::uint64_t n = 0;
  DType dtype = DType::f32;
  ScaleRules rules = {};  // as MatrixTask has them
};

// What the formula takes, by channel.
struct ChannelSizes {
  std::vector<float> input;   // mean |x|
  std::vector<float> weight;  // mean over rows of |w| / (the largest of its group + 1e-6)
};
ChannelSizes channel_sizes(const Fold& fold, std::span<const AwqMatrix> matrices,
                           const InputStats& inputs);

// s = input^r, or input^r / (weight^(1-r) + 1e-4) as AutoAWQ has it (duo_scaling).
struct AwqFormula {
  bool identity = false;  // s = 1
  bool by_weight = false;
  float ratio = 0.0f;
};
// The identity first, then r = i/20 with either formula.
std::vector<AwqFormula> awq_formulas();

// Not below 1e-4, then normalized so that the largest times the smallest is 1. A channel that is
// always 0 gets scale 1 and does not count; so does one without a finite, positive scale.
std::vector<float> awq_scales(const AwqFormula& formula, const ChannelSizes& sizes);

}  // namespace halfbyte
