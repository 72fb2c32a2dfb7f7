#include "tensor/blocks/sub_scales.h"

#include <algorithm>
#include <array>
#include <cmath>

#include "base/half.h"
#include "tensor/blocks/lanes.h"

namespace halfbyte::blocks {

namespace {

constexpr int kWidth = kLanes;
constexpr float kLargestHalf = 65504.0f;
constexpr float kSmallestNormalHalf = 0x1p-14f;

struct Problem {
  std::array<float, kMaxGroups> values;
  std::array<float, kMaxGroups> weights;  // of mean 1, none is 0
  std::size_t groups;
  SubScaleRange range;
};

Problem make_problem(const float* values, const float* weights, std::size_t groups,
                     SubScaleRange range) {
  Problem problem{{}, {}, groups, range};
  std::copy_n(values, groups, problem.values.begin());
  float sum = 0.0f;
  for (std::size_t g = 0; g < groups; ++g) sum += weights != nullptr ? weights[g] : 1.0f;
  const float scale = static_cast<float>(groups) / sum;
  for (std::size_t g = 0; g < groups; ++g) {
    const float weight = weights != nullptr && std::isfinite(scale) ? weights[g] * scale : 1.0f;
    problem.weights[g] = weight + 1e-6f;
  }
  return problem;
}

// The value that the ends of the range must reach: the largest magnitude, with its sign.
float find_peak(const Problem& problem) {
  float peak = 0.0f;
  for (std::size_t g = 0; g < problem.groups; ++g) {
    const float value =
        problem.range.low < 0 ? problem.values[g] : std::max(problem.values[g], 0.f);
    if (std::fabs(value) > std::fabs(peak)) peak = value;
  }
  return peak;
}

Lanes inverses(Lanes d) {
  return select(d == splat(0.0f), splat(0.0f), splat(1.0f) / d);
}

Lanes integers_of(const Problem& problem, float value, Lanes inverse) {
  const Lanes kept = clamp(value * inverse, splat(static_cast<float>(problem.range.low)),
                           splat(static_cast<float>(problem.range.high)));
  return round_even(kept);
}

Lanes errors_of(const Problem& problem, Lanes d) {
  const Lanes inverse = inverses(d);
  Lanes error = splat(0.0f);
  for (std::size_t g = 0; g < problem.groups; ++g) {
    const Lanes miss = problem.values[g] - d * integers_of(problem, problem.values[g], inverse);
    error += problem.weights[g] * miss * miss;
  }
  return error;
}

struct Best {
  float d = 0.0f;
  float error = INFINITY;
};

float storable(float d) {
  return half_to_float(float_to_half(std::clamp(d, -kLargestHalf, kLargestHalf)));
}

// Steps from peak = top * d down to half as many: below, d / 2 holds whatever d does, if it is a
// half. `top` may be negative.
void try_steps(const Problem& problem, float peak, int top, int stride, Best& best) {
  const int count = std::abs(top);
  const bool exact_halves =
      std::fabs(peak) / static_cast<float>(count) > 2.0f * kSmallestNormalHalf;
  const int last = exact_halves ? count / 2 + 1 : 1;
  const float signed_peak = top < 0 ? -peak : peak;
  for (int first = count; first >= last && best.error > 0.0f; first -= kWidth * stride) {
    Lanes d;
    for (int lane = 0; lane < kWidth; ++lane) {
      d[lane] = storable(signed_peak / static_cast<float>(std::max(first - lane * stride, last)));
    }
    const Lanes error = errors_of(problem, d);
    for (int lane = 0; lane < kWidth; ++lane) {
      if (error[lane] < best.error) best = {d[lane], error[lane]};
    }
  }
}

}  // namespace

void project_sub_scales(const float* values, const float* weights, std::size_t groups,
                        SubScaleRange range, int stride, std::uint16_t& d, int* s) {
  const Problem problem = make_problem(values, weights, groups, range);
  const float peak = find_peak(problem);
  Best best;
  if (peak != 0.0f) {
    if (range.low < 0) try_steps(problem, peak, range.low, stride, best);
    try_steps(problem, peak, range.high, stride, best);
  }
  d = float_to_half(best.d);
  const Lanes inverse = inverses(splat(best.d));
  for (std::size_t g = 0; g < groups; ++g) {
    s[g] = static_cast<int>(integers_of(problem, values[g], inverse)[0]);
  }
}

}  // namespace halfbyte::blocks
