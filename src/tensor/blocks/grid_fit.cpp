#include "tensor/blocks/grid_fit.h"

#include <algorithm>
#include <array>

#include "base/half.h"
#include "tensor/blocks/grid_refine.h"
#include "tensor/blocks/group_fit.h"
#include "tensor/blocks/sub_scales.h"
#include "tensor/blocks/weights.h"

namespace halfbyte::blocks {

namespace {

constexpr std::size_t kMaxQuads = kMaxGroups / kLanes;
constexpr float kLargestHalf = 65504.0f;

using Elements = std::array<float, kMaxBlock>;
using Groups = std::array<float, kMaxGroups>;

// Of q6_k's 256 sub-scales one more or less makes no difference that `refine` could not mend.
int rough_stride(const BlockShape& shape) {
  return shape.sub.high > 63 ? 8 : 1;
}

std::uint16_t storable_half(float v) {
  return float_to_half(std::clamp(v, -kLargestHalf, kLargestHalf));
}

LaneFit fit_lanes(const BlockShape& shape, const LaneGroup& group, bool shared) {
  if (shape.levels == Levels::iq4) return fit_iq4(group, shared);
  if (shape.levels == Levels::zero_up) return fit_affine(group, shared, shape.high);
  return fit_symmetric(group, shared, shape.low, shape.high);
}

// The elements of four groups, interleaved.
struct Quad {
  std::array<Lanes, kMaxGroup> x;
  std::array<Lanes, kMaxGroup> w;

  LaneGroup fill(const float* elements, const float* weights, std::size_t stride, std::size_t n) {
    interleave(elements, stride, n, x.data());
    interleave(weights, stride, n, w.data());
    return {x.data(), w.data(), n};
  }
};

void fit_single(const BlockShape& shape, const float* x, const float* w, GridBlock& block) {
  Quad quad;
  const LaneFit fit = fit_lanes(shape, quad.fill(x, w, 0, shape.group), true);
  const std::size_t lane = best_lane(fit);
  const float scale = fit.scale[lane];
  const float min = fit.min[lane];
  project_block(shape, &scale, &min, nullptr, 1, block);
}

void project_super(const BlockShape& shape, const float* scale, const float* min,
                   const float* weights, int stride, GridBlock& block) {
  std::array<int, kMaxGroups> s{};
  project_sub_scales(scale, weights, shape.groups, shape.sub, stride, block.d, s.data());
  for (std::size_t g = 0; g < shape.groups; ++g) {
    block.sub_scale[g] = static_cast<std::uint8_t>(s[g] + shape.sub_bias);
  }
  if (shape.levels != Levels::zero_up) return;
  project_sub_scales(min, weights, shape.groups, shape.sub, stride, block.dmin, s.data());
  for (std::size_t g = 0; g < shape.groups; ++g) {
    block.sub_min[g] = static_cast<std::uint8_t>(s[g]);
  }
}

// Of a signed range without a bias the byte is the two's complement.
int sub_scale_of(const BlockShape& shape, std::uint8_t stored) {
  if (shape.sub_bias == 0 && shape.sub.low < 0) return static_cast<std::int8_t>(stored);
  return stored - shape.sub_bias;
}

// What `refine` works on, of a block that holds d and dmin.
SuperScales integers_of(const BlockShape& shape, const GridBlock& block) {
  SuperScales scales{half_to_float(block.d), half_to_float(block.dmin), {}, {}};
  for (std::size_t g = 0; g < shape.groups; ++g) {
    scales.s[g] = static_cast<float>(sub_scale_of(shape, block.sub_scale[g]));
    scales.m[g] = static_cast<float>(block.sub_min[g]);
  }
  return scales;
}

void fit_super(const BlockShape& shape, const float* x, const float* w, GridBlock& block) {
  Groups scale{};
  Groups min{};
  Groups weights{};
  std::array<Quad, kMaxQuads> quads;
  std::array<LaneGroup, kMaxQuads> groups;
  for (std::size_t g = 0; g < shape.groups; g += kLanes) {
    const std::size_t start = g * shape.group;
    Quad& quad = quads[g / kLanes];
    groups[g / kLanes] = quad.fill(x + start, w + start, shape.group, shape.group);
    const LaneFit fit = fit_lanes(shape, groups[g / kLanes], false);
    store_lanes(&scale[g], fit.scale);
    store_lanes(&min[g], fit.min);
  }
  sum_groups(shape, w, weights.data());
  project_block(shape, scale.data(), min.data(), weights.data(), rough_stride(shape), block);
  SuperScales scales = integers_of(shape, block);
  refine(shape, groups.data(), scales);
  for (std::size_t g = 0; g < shape.groups; ++g) {
    scale[g] = scales.d * scales.s[g];
    min[g] = scales.dmin * scales.m[g];
  }
  // Storable as they are; this finds the smallest d, so that projecting again changes nothing.
  project_block(shape, scale.data(), min.data(), nullptr, 1, block);
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
                   const float* weights, int stride, GridBlock& block) {
  block = {};
  if (shape.groups > 1) {
    project_super(shape, scale, min, weights, stride, block);
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
