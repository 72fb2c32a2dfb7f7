// The search over scales and minimums.
#include <array>

#include "tensor/blocks/search.h"

namespace halfbyte::blocks {

namespace {

struct RoundAny {
  Lanes operator()(Lanes v, Lanes top) const { return clamp(round_any(v), splat(0.0f), top); }
};
struct RoundClamped {
  Lanes operator()(Lanes v, Lanes top) const { return round_even(clamp(v, splat(0.0f), top)); }
};

struct Square {
  Lanes operator()(Lanes miss) const { return miss * miss; }
};
struct Absolute {
  Lanes operator()(Lanes miss) const { return magnitude(miss); }
};

template <typename Penalty>
Lanes error_of(const LaneGroup& group, const Lanes* codes, Lanes scale, Lanes min) {
  Lanes error = splat(0.0f);
  for (std::size_t i = 0; i < group.n; ++i) {
    error += group.w[i] * Penalty{}(scale * codes[i] + min - group.x[i]);
  }
  return error;
}

struct Sums {
  Lanes l = splat(0.0f);
  Lanes l2 = splat(0.0f);
  Lanes xl = splat(0.0f);
};

template <typename Round>
Sums code_group(const LaneGroup& group, Lanes inverse, Lanes min, Lanes top, Lanes* codes) {
  Sums sums;
  for (std::size_t i = 0; i < group.n; ++i) {
    const Lanes code = Round{}(inverse * (group.x[i] - min), top);
    codes[i] = code;
    const Lanes weighted = group.w[i] * code;
    sums.l += weighted;
    sums.l2 += weighted * code;
    sums.xl += weighted * group.x[i];
  }
  return sums;
}

struct Solution {
  Lanes scale;
  Lanes min;
  IntLanes valid;
};

// Least squares for the codes of these sums.
Solution solve(const Extent& extent, const Sums& sums) {
  const Lanes determinant = extent.sum_w * sums.l2 - sums.l * sums.l;
  const Lanes scale = (extent.sum_w * sums.xl - extent.sum_wx * sums.l) / determinant;
  const Lanes min = (sums.l2 * extent.sum_wx - sums.l * sums.xl) / determinant;
  const IntLanes above = min > 0.0f;
  return {select(above, sums.xl / sums.l2, scale), select(above, splat(0.0f), min),
          determinant > 0.0f};
}

// The best so far, and how its codes came about.
struct Best {
  Lanes scale;
  Lanes min;
  Lanes error;
  Lanes code_inverse;
  Lanes code_min;
  IntLanes first;  // the codes are those of the extremes
};

Lanes numerator(AffineSteps steps, int k, float top) {
  return splat(steps.first + steps.step * static_cast<float>(k) + top);
}

template <typename Round, typename Penalty>
void improve(const LaneGroup& group, const Extent& extent, float top, AffineSteps steps,
             IntLanes active, Best& best) {
  std::array<Lanes, kMaxGroup> codes;
  for (int k = 0; k <= steps.steps; ++k) {
    // The minimum is the best one so far: candidates depend on those before.
    const Lanes inverse = numerator(steps, k, top) / (extent.max - best.min);
    const Sums sums = code_group<Round>(group, inverse, best.min, splat(top), codes.data());
    const Solution found = solve(extent, sums);
    const Lanes error = error_of<Penalty>(group, codes.data(), found.scale, found.min);
    const IntLanes better = active & found.valid & (error < best.error);
    best.code_inverse = select(better, inverse, best.code_inverse);
    best.code_min = select(better, best.min, best.code_min);
    best.scale = select(better, found.scale, best.scale);
    best.min = select(better, found.min, best.min);
    best.error = select(better, error, best.error);
    best.first &= ~better;
  }
}

template <typename Round>
void write_codes(const LaneGroup& group, const Best& best, IntLanes active, Lanes top,
                 Lanes* codes) {
  for (std::size_t i = 0; i < group.n; ++i) {
    const Lanes v = best.code_inverse * (group.x[i] - best.code_min);
    const Lanes code = select(best.first, RoundAny{}(v, top), Round{}(v, top));
    codes[i] = select(active, code, splat(0.0f));
  }
}

template <typename Round, typename Penalty>
FoundScales search(const LaneGroup& group, float top, AffineSteps steps, Lanes* codes) {
  const Extent extent = extent_of(group);
  const IntLanes active = extent.max > extent.min;
  const Lanes inverse = splat(top) / (extent.max - extent.min);
  const Lanes scale = splat(1.0f) / inverse;
  code_group<RoundAny>(group, inverse, extent.min, splat(top), codes);
  const Lanes error = error_of<Penalty>(group, codes, scale, extent.min);
  Best best{scale, extent.min, error, inverse, extent.min, active | ~active};
  improve<Round, Penalty>(group, extent, top, steps, active, best);
  write_codes<Round>(group, best, active, splat(top), codes);
  return {select(active, best.scale, splat(0.0f)), -best.min};
}

}  // namespace

FoundScales search_affine(const LaneGroup& group, float top, AffineSteps steps, AffineRule rule,
                          Lanes* codes) {
  switch (rule) {
    case AffineRule::absolutes:
      return search<RoundAny, Absolute>(group, top, steps, codes);
    case AffineRule::clamped_squares:
      return search<RoundClamped, Square>(group, top, steps, codes);
    default:
      return search<RoundAny, Square>(group, top, steps, codes);
  }
}

FoundScales search_affine_weighted(const LaneGroup& group, float top, Lanes* codes) {
  return search_affine(group, top, {-0.9f, 0.05f, 36}, AffineRule::clamped_squares, codes);
}

}  // namespace halfbyte::blocks
