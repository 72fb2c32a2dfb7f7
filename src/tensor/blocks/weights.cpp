#include "tensor/blocks/weights.h"

#include <cmath>

namespace halfbyte::blocks {

namespace {

float root_mean_square(const float* x, std::size_t n) {
  return std::sqrt(sum_of_squares(x, n) / static_cast<float>(n));
}

void weigh_group(DefaultWeight kind, const float* x, std::size_t n, float* w) {
  const float rms = kind == DefaultWeight::magnitude_rms ? root_mean_square(x, n) : 0.0f;
  for (std::size_t i = 0; i < n; ++i) {
    const float magnitude = std::fabs(x[i]);
    w[i] = kind == DefaultWeight::none     ? 1.0f
           : kind == DefaultWeight::square ? magnitude * magnitude
                                           : magnitude + rms;
  }
}

}  // namespace

float sum_of_squares(const float* x, std::size_t n) {
  float sum = 0.0f;
  for (std::size_t i = 0; i < n; ++i) sum += x[i] * x[i];
  return sum;
}

float twice_mean_square(const float* x, std::size_t n) {
  return sum_of_squares(x, n) * (2.0f / static_cast<float>(n));
}

void weigh_by_size(const BlockShape& shape, const float* x, float* w) {
  for (std::size_t g = 0; g < shape.groups; ++g) {
    const std::size_t start = g * shape.group;
    weigh_group(shape.weight, x + start, shape.group, w + start);
  }
}

void weigh_by_importance(const float* x, const float* importance, float variance, std::size_t n,
                         float* w) {
  for (std::size_t i = 0; i < n; ++i) w[i] = importance[i] * std::sqrt(variance + x[i] * x[i]);
}

void sum_groups(const BlockShape& shape, const float* w, float* sums) {
  for (std::size_t g = 0; g < shape.groups; ++g) {
    sums[g] = 0.0f;
    for (std::size_t i = 0; i < shape.group; ++i) sums[g] += w[g * shape.group + i];
  }
}

}  // namespace halfbyte::blocks
