// The search for a group's scale and zero point. With the zero z chosen, the values of a group are
// scale * t for the integers t from -z to top - z: what is left is a symmetric search, whose gain
// tells the zeros apart.
#include "tensor/blocks/zero_points.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <vector>

#include "base/half.h"
#include "tensor/blocks/lane_group.h"
#include "tensor/group_types.h"

namespace halfbyte::blocks {

namespace {

constexpr float kLargestHalf = 65504.0f;
// How much of the range from the least to the greatest value the codes span.
constexpr std::array<float, 20> kSpans = {1.06f, 1.03f, 1.0f,  0.98f, 0.96f, 0.94f, 0.92f,
                                          0.90f, 0.88f, 0.85f, 0.82f, 0.79f, 0.76f, 0.73f,
                                          0.70f, 0.66f, 0.62f, 0.58f, 0.54f, 0.50f};
// From where the middle of the range would be in the middle of the codes.
constexpr std::array<float, 3> kZeroShifts = {-1.0f, 0.0f, 1.0f};
constexpr int kPolishes = 3;

template <ZeroPoint kZero>
constexpr float kLeastZero = kZero == ZeroPoint::positive ? 1.0f : 0.0f;

struct Candidate {
  Lanes scale;
  Lanes zero;
  Lanes gain;  // what it takes off sum w * x^2
};

// Least squares for the codes that `inverse_scale` and `zero` give.
Candidate try_scale(const LaneGroup& group, Lanes inverse_scale, Lanes zero, float top) {
  const Lanes low = -zero;
  const Lanes high = top - zero;
  Lanes sum_tx = splat(0.0f);
  Lanes sum_t2 = splat(0.0f);
  for (std::size_t i = 0; i < group.n; ++i) {
    const Lanes t = round_even(clamp(group.x[i] * inverse_scale, low, high));
    const Lanes weighted = group.w[i] * t;
    sum_tx += weighted * group.x[i];
    sum_t2 += weighted * t;
  }
  const Lanes scale = sum_tx / sum_t2;
  const IntLanes valid = (sum_t2 > 0.0f) & (scale > 0.0f);
  return {scale, zero, select(valid, scale * sum_tx, splat(-INFINITY))};
}

void keep_better(Candidate& best, const Candidate& found) {
  const IntLanes better = found.gain > best.gain;  // never where it is NaN
  best.scale = select(better, found.scale, best.scale);
  best.zero = select(better, found.zero, best.zero);
  best.gain = select(better, found.gain, best.gain);
}

struct Range {
  float low = 0.0f;  // not above 0
  float high = 0.0f;
};

Range range_of(const float* x, std::size_t n) {
  Range range;
  for (std::size_t i = 0; i < n; ++i) {
    range.low = std::min(range.low, std::max(x[i], -3e38f));
    range.high = std::max(range.high, std::min(x[i], 3e38f));
  }
  return range;
}

// Lanes of spans. Halves of the range first: its width may overflow.
template <ZeroPoint kZero>
Candidate search(const LaneGroup& group, Range range, float top) {
  const float half_width = kZero == ZeroPoint::middle ? std::max(range.high, -range.low)
                                                      : range.high / 2 - range.low / 2;
  const float middle = kZero == ZeroPoint::middle ? 0.0f : range.high / 2 + range.low / 2;
  const float half_top = kZero == ZeroPoint::middle ? (top + 1) / 2 : top / 2;
  Candidate best{splat(half_width / half_top), splat(half_top), splat(-INFINITY)};
  for (std::size_t i = 0; i < kSpans.size(); i += kLanes) {
    const Lanes inverse_scale = half_top / (half_width * load_lanes(&kSpans[i]));
    if (kZero == ZeroPoint::middle) {
      keep_better(best, try_scale(group, inverse_scale, splat(half_top), top));
      continue;
    }
    const Lanes center =
        round_even(half_top - clamp(middle * inverse_scale, splat(-top), splat(top)));
    for (const float shift : kZeroShifts) {
      const Lanes zero = clamp(center + shift, splat(kLeastZero<kZero>), splat(top));
      keep_better(best, try_scale(group, inverse_scale, zero, top));
    }
  }
  for (int i = 0; i < kPolishes; ++i) {
    keep_better(best, try_scale(group, inverse(best.scale), best.zero, top));
  }
  return best;
}

std::size_t best_lane(const Candidate& found) {
  std::size_t best = 0;
  for (std::size_t lane = 1; lane < kLanes; ++lane) {
    if (found.gain[lane] > found.gain[best]) best = lane;
  }
  return best;
}

// Where nothing matters, or no scale brings a gain: the extremes are kept.
template <ZeroPoint kZero>
GroupScale whole_range(Range range, float top) {
  if (kZero == ZeroPoint::middle) {
    const float middle = (top + 1) / 2;
    const float scale = std::max(range.high / (top - middle), -range.low / middle);
    return {float_to_half(std::min(scale, kLargestHalf)), static_cast<std::uint8_t>(middle)};
  }
  range.low = std::min(range.low, -range.high / (top - 1) * kLeastZero<kZero>);
  const float scale = std::min(range.high / top - range.low / top, kLargestHalf);
  const float zero =
      scale > 0.0f ? std::round(std::min(-range.low / scale, top)) : kLeastZero<kZero>;
  return {float_to_half(scale), static_cast<std::uint8_t>(zero)};
}

void set_block(GroupScale scale, GridBlock& block) {
  block = {};
  block.d = scale.scale;
  block.scale[0] = half_to_float(scale.scale);
  block.sub_min[0] = scale.zero;
  block.min[0] = block.scale[0] * static_cast<float>(scale.zero);
}

GroupScale scale_of(const GridBlock& block) {
  return {block.d, block.sub_min[0]};
}

// values, weights: room for n each.
template <unsigned kBits, ZeroPoint kZero>
void fit(const float* x, const float* importance, std::size_t n, Lanes* values, Lanes* weights,
         GridBlock& block) {
  constexpr auto kTop = static_cast<float>((1u << kBits) - 1u);
  interleave(x, 0, n, values);
  if (importance != nullptr) {
    interleave(importance, 0, n, weights);
  } else {
    std::fill(weights, weights + n, splat(1.0f));
  }
  const Range range = range_of(x, n);
  const Candidate found = search<kZero>({values, weights, n}, range, kTop);
  const std::size_t lane = best_lane(found);
  GroupScale scale = whole_range<kZero>(range, kTop);
  if (found.gain[lane] > 0.0f && found.scale[lane] <= kLargestHalf) {
    scale = {float_to_half(found.scale[lane]), static_cast<std::uint8_t>(found.zero[lane])};
  }
  const float least = half_to_float(scale.scale);
  const float min = least * static_cast<float>(scale.zero);
  project_zero_point<kBits, kZero>(&least, &min, nullptr, block);
}

}  // namespace

template <unsigned kBits, std::size_t kGroup, ZeroPoint kZero>
void fit_zero_point(const float* x, const float* importance, GridBlock& block) {
  std::array<Lanes, kGroup> values;
  std::array<Lanes, kGroup> weights;
  fit<kBits, kZero>(x, importance, kGroup, values.data(), weights.data(), block);
}

template <unsigned kBits, ZeroPoint kZero>
void fit_row_zero_point(const float* x, const float* importance, std::size_t n, GridBlock& block) {
  std::vector<Lanes> values(n);
  std::vector<Lanes> weights(n);
  fit<kBits, kZero>(x, importance, n, values.data(), weights.data(), block);
}

template <unsigned kBits, ZeroPoint kZero>
void project_zero_point(const float* scale, const float* min, const float*, GridBlock& block) {
  constexpr auto kTop = static_cast<float>((1u << kBits) - 1u);
  constexpr auto kMiddle = static_cast<std::uint8_t>(1u << (kBits - 1));
  const std::uint16_t half = float_to_half(std::clamp(scale[0], -kLargestHalf, kLargestHalf));
  const float stored = half_to_float(half);
  if (kZero == ZeroPoint::middle) {
    set_block({half, kMiddle}, block);
    block.min[0] = 0.0f;  // the levels are around 0
    return;
  }
  constexpr float kLeast = kLeastZero<kZero>;
  const float zero = stored != 0.0f ? std::clamp(min[0] / stored, kLeast, kTop) : kLeast;
  set_block({half, static_cast<std::uint8_t>(std::round(zero))}, block);
}

template <unsigned kBits, std::size_t kGroup>
void pack_zero_point(const GridBlock& block, const std::uint8_t* codes, std::byte* dst) {
  pack_group(*find_group_type(kBits, kGroup), scale_of(block), codes, dst);
}

template <unsigned kBits, std::size_t kGroup>
void encode_weighted_groups(const float* src, const float* importance, std::byte* dst,
                            std::size_t n) {
  const GroupType& type = *find_group_type(kBits, kGroup);
  const Grid& grid = *find_grid(type.dtype);
  std::array<std::uint8_t, kGroup> codes;
  GridBlock block;
  for (std::size_t i = 0; i < n; i += kGroup, dst += info(type.dtype).block_bytes) {
    fit_zero_point<kBits, kGroup, ZeroPoint::searched>(src + i, importance + i, block);
    nearest_codes(grid, block, src + i, codes.data());
    pack_group(type, scale_of(block), codes.data(), dst);
  }
}

#define HALFBYTE_BLOCK(bits, group, zero) \
  template void fit_zero_point<bits, group, zero>(const float*, const float*, GridBlock&);
#define HALFBYTE_ROW(bits, zero)                                                         \
  template void fit_row_zero_point<bits, zero>(const float*, const float*, std::size_t,  \
                                               GridBlock&);                              \
  template void project_zero_point<bits, zero>(const float*, const float*, const float*, \
                                               GridBlock&);                              \
  HALFBYTE_BLOCK(bits, 32, zero) HALFBYTE_BLOCK(bits, 64, zero) HALFBYTE_BLOCK(bits, 128, zero)
#define HALFBYTE_GROUP(bits, group)                                                              \
  template void pack_zero_point<bits, group>(const GridBlock&, const std::uint8_t*, std::byte*); \
  template void encode_weighted_groups<bits, group>(const float*, const float*, std::byte*,      \
                                                    std::size_t);
#define HALFBYTE_BITS(bits) \
  HALFBYTE_GROUP(bits, 32) HALFBYTE_GROUP(bits, 64) HALFBYTE_GROUP(bits, 128)
HALFBYTE_BITS(2)
HALFBYTE_BITS(3)
HALFBYTE_BITS(4)
HALFBYTE_BITS(8)
#define HALFBYTE_ZEROS(zero) \
  HALFBYTE_ROW(2, zero) HALFBYTE_ROW(3, zero) HALFBYTE_ROW(4, zero) HALFBYTE_ROW(8, zero)
HALFBYTE_ZEROS(ZeroPoint::searched)
HALFBYTE_ZEROS(ZeroPoint::positive)
HALFBYTE_ZEROS(ZeroPoint::middle)
#undef HALFBYTE_ZEROS
#undef HALFBYTE_BITS
#undef HALFBYTE_GROUP
#undef HALFBYTE_ROW
#undef HALFBYTE_BLOCK

}  // namespace halfbyte::blocks
