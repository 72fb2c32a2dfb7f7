#include "tensor/blocks/grid_fit.h"

#include <algorithm>
#include <array>

#include "base/half.h"
#include "tensor/blocks/group_fit.h"
#include "tensor/blocks/sub_scales.h"
#include "tensor/blocks/weights.h"

namespace halfbyte::blocks {

namespace {

constexpr float kLargestHalf = 65504.0f;

using Elements = std::array<float, kMaxBlock>;
using Groups = std::array<float, kMaxGroups>;

std::uint16_t storable_half(float v) {
  return float_to_half(std::clamp(v, -kLargestHalf, kLargestHalf));
}

LaneFit fit_lanes(const BlockShape& shape, const LaneGroup& group) {
  if (shape.levels == Levels::iq4) return fit_iq4(group);
  if (shape.levels == Levels::zero_up) return fit_affine(group, shape.high);
  return fit_symmetric(group, shape.low, shape.high);
}

// The elements of four groups, interleaved.
struct Quad {
  std::array<Lanes, kMaxGroup> x;
  std::array<Lanes, kMaxGroup> w;
  std::size_t n;

  Quad(const float* elements, const float* weights, std::size_t stride, std::size_t count)
      : n(count) {
    interleave(elements, stride, n, x.data());
    interleave(weights, stride, n, w.data());
  }
  [[nodiscard]] LaneGroup group(bool shared) const { return {x.data(), w.data(), n, shared}; }
};

void fit_single(const BlockShape& shape, const float* x, const float* w, GridBlock& block) {
  const Quad quad(x, w, 0, shape.group);
  const LaneFit fit = fit_lanes(shape, quad.group(true));
  const std::size_t lane = best_lane(fit);
  const float scale = fit.scale[lane];
  const float min = fit.min[lane];
  project_block(shape, &scale, &min, nullptr, block);
}

void fit_super(const BlockShape& shape, const float* x, const float* w, GridBlock& block) {
  Groups scale{};
  Groups min{};
  for (std::size_t g = 0; g < shape.groups; g += kLanes) {
    const Quad quad(x + g * shape.group, w + g * shape.group, shape.group, shape.group);
    const LaneFit fit = fit_lanes(shape, quad.group(false));
    store_lanes(&scale[g], fit.scale);
    store_lanes(&min[g], fit.min);
  }
  Groups weights{};
  sum_groups(shape, w, weights.data());
  project_block(shape, scale.data(), min.data(), weights.data(), block);
}

void project_super(const BlockShape& shape, const float* scale, const float* min,
                   const float* weights, GridBlock& block) {
  std::array<int, kMaxGroups> s{};
  project_sub_scales(scale, weights, shape.groups, shape.sub, block.d, s.data());
  for (std::size_t g = 0; g < shape.groups; ++g) {
    block.sub_scale[g] = static_cast<std::uint8_t>(s[g] + shape.sub_bias);
  }
  if (shape.levels != Levels::zero_up) return;
  project_sub_scales(min, weights, shape.groups, shape.sub, block.dmin, s.data());
  for (std::size_t g = 0; g < shape.groups; ++g) {
    block.sub_min[g] = static_cast<std::uint8_t>(s[g]);
  }
}

// Of a signed range without a bias the byte is the two's complement.
int sub_scale_of(const BlockShape& shape, std::uint8_t stored) {
  if (shape.sub_bias == 0 && shape.sub.low < 0) return static_cast<std::int8_t>(stored);
  return stored - shape.sub_bias;
}

}  // namespace

void expand(const BlockShape& shape, GridBlock& block) {
  const float d = half_to_float(block.d);
  const float dmin = half_to_float(block.dmin);
  if (shape.groups == 1) {
    block.scale[0] = d;
    block.min[0] = shape.levels == Levels::zero_up ? -dmin : 0.0f;
    return;
  }
  for (std::size_t g = 0; g < shape.groups; ++g) {
    block.scale[g] = d * static_cast<float>(sub_scale_of(shape, block.sub_scale[g]));
    block.min[g] = dmin * static_cast<float>(block.sub_min[g]);
  }
}

void project_block(const BlockShape& shape, const float* scale, const float* min,
                   const float* weights, GridBlock& block) {
  block = {};
  if (shape.groups > 1) {
    project_super(shape, scale, min, weights, block);
  } else {
    block.d = storable_half(scale[0]);
    if (shape.levels == Levels::zero_up) block.dmin = storable_half(-min[0]);
  }
  expand(shape, block);
}

void fit_block(const BlockShape& shape, const float* x, const float* importance, GridBlock& block) {
  Elements sizes;
  if (importance == nullptr) weigh_by_size(shape, x, sizes.data());
  const float* w = importance != nullptr ? importance : sizes.data();
  (shape.groups > 1 ? fit_super : fit_single)(shape, x, w, block);
}

}  // namespace halfbyte::blocks
