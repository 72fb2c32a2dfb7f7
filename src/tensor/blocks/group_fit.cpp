#include "tensor/blocks/group_fit.h"

#include <array>
#include <cmath>
#include <span>

namespace halfbyte::blocks {

namespace {

// What is added to the number of steps between the extremes (affine), or to the level of the peak
// (symmetric): a clipped range counts less than a finer step, or more.
constexpr std::array<float, 16> kAffineShifts = {-0.9f, -0.75f, -0.6f, -0.45f, -0.3f, -0.2f,
                                                 -0.1f, 0.0f,   0.1f,  0.2f,   0.3f,  0.45f,
                                                 0.6f,  0.75f,  0.9f,  1.05f};
constexpr std::array<float, 12> kSymmetricShifts = {-0.9f, -0.7f, -0.5f, -0.35f, -0.2f, -0.05f,
                                                    0.1f,  0.25f, 0.4f,  0.6f,   0.8f,  1.0f};
// Of the other sign, the peak at the upper level.
constexpr std::array<float, 8> kOppositeShifts = {-0.3f, 0.0f, 0.15f, 0.3f,
                                                  0.45f, 0.6f, 0.75f, 0.9f};
constexpr int kPolishes = 3;

void keep_better(LaneFit& best, const LaneFit& fit) {
  const IntLanes better = fit.gain > best.gain;  // never where it is NaN
  best.scale = select(better, fit.scale, best.scale);
  best.min = select(better, fit.min, best.min);
  best.gain = select(better, fit.gain, best.gain);
}

// visit(lanes) for the candidates of each lane.
template <typename Visit>
void for_candidates(std::span<const float> candidates, bool shared, Visit visit) {
  if (shared) {
    for (std::size_t i = 0; i < candidates.size(); i += kLanes) visit(load_lanes(&candidates[i]));
  } else {
    for (const float candidate : candidates) visit(splat(candidate));
  }
}

struct AffineSums {
  Lanes l;
  Lanes l2;
  Lanes lx;
};

// Least squares for codes with these sums, the minimum not below 0.
LaneFit solve(const Extent& extent, const AffineSums& sums) {
  const Lanes area = extent.sum_w * sums.l2;
  const Lanes determinant = area - sums.l * sums.l;
  const Lanes scale = (extent.sum_w * sums.lx - extent.sum_wx * sums.l) / determinant;
  const Lanes offset = (sums.l2 * extent.sum_wx - sums.l * sums.lx) / determinant;
  const Lanes plain = sums.lx / sums.l2;
  const IntLanes clipped = offset > 0.0f;
  const LaneFit fit = {select(clipped, plain, scale), select(clipped, splat(0.0f), -offset),
                       select(clipped, plain * sums.lx, scale * sums.lx + offset * extent.sum_wx)};
  const IntLanes valid = (determinant > area * 1e-6f) & (fit.scale > 0.0f);
  return {fit.scale, fit.min, select(valid, fit.gain, splat(-INFINITY))};
}

LaneFit try_affine(const LaneGroup& group, const Extent& extent, float top, Lanes inverse_scale,
                   Lanes min) {
  AffineSums sums{splat(0.0f), splat(0.0f), splat(0.0f)};
  const Integers levels{splat(0.0f), splat(top)};
  for (std::size_t i = 0; i < group.n; ++i) {
    const Lanes level = levels((group.x[i] + min) * inverse_scale);
    const Lanes weighted = group.w[i] * level;
    sums.l += weighted;
    sums.l2 += weighted * level;
    sums.lx += weighted * group.x[i];
  }
  return solve(extent, sums);
}

template <typename Levels>
LaneFit try_symmetric(const LaneGroup& group, const Levels& levels, Lanes inverse_scale) {
  Lanes sum_lx = splat(0.0f);
  Lanes sum_l2 = splat(0.0f);
  for (std::size_t i = 0; i < group.n; ++i) {
    const Lanes level = levels(group.x[i] * inverse_scale);
    const Lanes weighted = group.w[i] * level;
    sum_lx += weighted * group.x[i];
    sum_l2 += weighted * level;
  }
  const Lanes scale = sum_lx / sum_l2;
  return {scale, splat(0.0f), select(sum_l2 > 0.0f, scale * sum_lx, splat(-INFINITY))};
}

// unit: how much of a level a shift of 1 is.
template <typename Levels>
LaneFit fit_levels(const LaneGroup& group, bool shared, const Levels& levels, float low, float high,
                   float unit) {
  const Lanes peak = signed_peak(group);
  LaneFit best{peak / low, splat(0.0f), splat(-INFINITY)};
  const auto visit = [&](float end, float sign) {
    return [&, end, sign](Lanes shift) {
      keep_better(best, try_symmetric(group, levels, (end + sign * unit * shift) / peak));
    };
  };
  for_candidates(kSymmetricShifts, shared, visit(low, -1.0f));
  for_candidates(kOppositeShifts, shared, visit(high, 1.0f));
  for (int i = 0; i < kPolishes; ++i) {
    keep_better(best, try_symmetric(group, levels, inverse(best.scale)));
  }
  return best;
}

}  // namespace

LaneFit fit_affine(const LaneGroup& group, bool shared, float top) {
  const Extent extent = extent_of(group);
  const Lanes width = extent.max - extent.min;
  LaneFit best{width / top, -extent.min, splat(-INFINITY)};
  for_candidates(kAffineShifts, shared, [&](Lanes shift) {
    keep_better(best, try_affine(group, extent, top, (top + shift) / width, -extent.min));
  });
  for (int i = 0; i < kPolishes; ++i) {
    keep_better(best, try_affine(group, extent, top, inverse(best.scale), best.min));
  }
  return best;
}

LaneFit fit_symmetric(const LaneGroup& group, bool shared, float low, float high) {
  return fit_levels(group, shared, Integers{splat(low), splat(high)}, low, high, 1.0f);
}

LaneFit fit_iq4(const LaneGroup& group, bool shared) {
  return fit_levels(group, shared, Iq4Levels{}, kIq4Levels.front(), kIq4Levels.back(), 8.0f);
}

std::size_t best_lane(const LaneFit& fit) {
  std::size_t best = 0;
  for (std::size_t lane = 1; lane < kLanes; ++lane) {
    if (fit.gain[lane] > fit.gain[best]) best = lane;
  }
  return best;
}

}  // namespace halfbyte::blocks
