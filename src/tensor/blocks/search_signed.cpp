// The searches over scales alone.
#include <array>
#include <span>

#include "tensor/blocks/iq4_levels.h"
#include "tensor/blocks/search.h"

namespace halfbyte::blocks {

namespace {

constexpr float kNearlyZero = 1e-15f;
constexpr int kDescents = 5;

// What the two kinds of levels do differently, down to the order of multiplication.
struct Integers {
  Lanes low;
  Lanes high;
  Lanes level(Lanes v) const { return clamp(round_any(v), low, high); }
  static Lanes cross(Lanes w, Lanes x, Lanes level) { return w * x * level; }
  static IntLanes divides(Lanes l2) { return l2 != 0.0f; }
};
struct Iq4 {
  static Lanes level(Lanes v) { return snap_iq4(v); }
  static Lanes cross(Lanes w, Lanes x, Lanes level) { return w * level * x; }
  static IntLanes divides(Lanes l2) { return l2 > 0.0f; }
};

struct Sums {
  Lanes lx = splat(0.0f);
  Lanes l2 = splat(0.0f);
};

template <typename Kind>
Sums sums_of(const LaneGroup& group, const Kind& kind, Lanes inverse) {
  Sums sums;
  for (std::size_t i = 0; i < group.n; ++i) {
    const Lanes level = kind.level(inverse * group.x[i]);
    sums.lx += kind.cross(group.w[i], group.x[i], level);
    sums.l2 += group.w[i] * level * level;
  }
  return sums;
}

struct Best {
  Lanes scale;
  Lanes inverse;  // of the codes that gave the scale
};

// inverse, then numerators / peak: the one whose least-squares scale explains most.
template <typename Kind>
Best search(const LaneGroup& group, const Kind& kind, Lanes peak, Lanes inverse,
            std::span<const float> numerators) {
  Sums sums = sums_of(group, kind, inverse);
  Best best{select(kind.divides(sums.l2), sums.lx / sums.l2, splat(0.0f)), inverse};
  Lanes gain = best.scale * sums.lx;
  for (const float numerator : numerators) {
    const Lanes candidate = numerator / peak;
    sums = sums_of(group, kind, candidate);
    const Lanes scale = sums.lx / sums.l2;
    const IntLanes better = (sums.l2 > 0.0f) & (sums.lx * sums.lx > gain * sums.l2);
    best.scale = select(better, scale, best.scale);
    best.inverse = select(better, candidate, best.inverse);
    gain = select(better, scale * sums.lx, gain);
  }
  return best;
}

constexpr std::size_t kSignedCandidates = 18;

std::array<float, kSignedCandidates> signed_numerators(float half) {
  std::array<float, kSignedCandidates> numerators;
  std::size_t count = 0;
  for (int k = -9; k <= 9; ++k) {
    if (k != 0) numerators[count++] = -(half + 0.1f * static_cast<float>(k));
  }
  return numerators;
}

// One round of descent: each code in turn goes where the scale that the others give puts it, if
// that explains more. Whether any code moved.
IntLanes descend(const LaneGroup& group, const Integers& kind, Lanes* levels, Sums& sums) {
  IntLanes moved{};
  for (std::size_t i = 0; i < group.n; ++i) {
    const Lanes x = group.x[i];
    const Lanes w = group.w[i];
    const Lanes other_lx = sums.lx - w * x * levels[i];
    const Lanes other_l2 = sums.l2 - w * levels[i] * levels[i];
    const Lanes level = kind.level(x * other_l2 / other_lx);
    const Lanes lx = other_lx + w * x * level;
    const Lanes l2 = other_l2 + w * level * level;
    const IntLanes better = (other_lx > 0.0f) & (level != levels[i]) & (l2 > 0.0f) &
                            (lx * lx * sums.l2 > sums.lx * sums.lx * l2);
    levels[i] = select(better, level, levels[i]);
    sums.lx = select(better, lx, sums.lx);
    sums.l2 = select(better, l2, sums.l2);
    moved |= better;
  }
  return moved;
}

}  // namespace

FoundScales search_signed(const LaneGroup& group, float half, Lanes* codes) {
  const Lanes peak = signed_peak(group);
  const IntLanes zeros = magnitude(peak) < kNearlyZero;
  const Integers kind{splat(-half), splat(half - 1.0f)};
  const auto numerators = signed_numerators(half);
  const Best best = search(group, kind, peak, -half / peak, numerators);
  for (std::size_t i = 0; i < group.n; ++i) {
    codes[i] = select(zeros, splat(0.0f), kind.level(best.inverse * group.x[i]) + half);
  }
  return {select(zeros, splat(0.0f), best.scale), splat(0.0f)};
}

FoundScales descend_signed(const LaneGroup& group, float half, Lanes* codes) {
  const Lanes peak = signed_peak(group);
  const IntLanes zeros = magnitude(peak) < kNearlyZero;
  const Integers kind{splat(-half), splat(half - 1.0f)};
  Sums sums;
  for (std::size_t i = 0; i < group.n; ++i) {
    codes[i] = kind.level(-half / peak * group.x[i]);
    sums.lx += group.w[i] * group.x[i] * codes[i];
    sums.l2 += group.w[i] * codes[i] * codes[i];
  }
  for (int k = 0; k < kDescents && any(descend(group, kind, codes, sums) & ~zeros); ++k) {
  }
  for (std::size_t i = 0; i < group.n; ++i) codes[i] = select(zeros, splat(0.0f), codes[i] + half);
  const Lanes scale = select(sums.l2 > 0.0f, sums.lx / sums.l2, splat(0.0f));
  return {select(zeros, splat(0.0f), scale), splat(0.0f)};
}

FoundScales search_iq4(const LaneGroup& group) {
  constexpr std::array<float, 15> kNumerators = {-134, -133, -132, -131, -130, -129, -128, -127,
                                                 -126, -125, -124, -123, -122, -121, -120};
  const Lanes peak = signed_peak(group);
  const Lanes inverse = splat(1.0f) / (-peak / kIq4Levels[0]);
  const Best best = search(group, Iq4{}, peak, inverse, kNumerators);
  return {select(magnitude(peak) < kNearlyZero, splat(0.0f), best.scale), splat(0.0f)};
}

}  // namespace halfbyte::blocks
