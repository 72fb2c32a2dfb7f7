#include "runtime/divergence.h"

#include <algorithm>
#include <cmath>

namespace halfbyte {

double log_sum_exp(std::span<const float> x) {
  const float best = *std::max_element(x.begin(), x.end());
  double sum = 0.0;
  for (const float value : x) sum += std::exp(static_cast<double>(value - best));
  return std::log(sum) + best;
}

double kl_divergence(std::span<const float> ref, double ref_norm, std::span<const float> own,
                     double own_norm) {
  double sum = 0.0;
  for (std::size_t i = 0; i < ref.size(); ++i) {
    const double log_p = ref[i] - ref_norm;
    // Terms below e^-40 cannot be seen in the sum.
    if (log_p > -40.0) sum += std::exp(log_p) * (log_p - (own[i] - own_norm));
  }
  return std::max(sum, 0.0);
}

}  // namespace halfbyte
