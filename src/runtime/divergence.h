// How far one distribution over a vocabulary is from another, both given as logits.
#pragma once

#include <span>

namespace halfbyte {

// log(sum(exp(x))), in double.
double log_sum_exp(std::span<const float> x);

// Kullback-Leibler divergence of `own` from `ref`, in nats; never negative. The norms are the
// logits' log_sum_exp.
double kl_divergence(std::span<const float> ref, double ref_norm, std::span<const float> own,
                     double own_norm);

}  // namespace halfbyte
