// Real scales and minimums of groups, before they are made storable: what Grid::fit starts from.
//
// Every lane minimizes sum w * (x - (scale * level - min))^2 for its group: codes for a candidate
// scale, least squares for these codes, the best of the candidates, then codes and least squares in
// turns. `shared`: the four lanes hold the same group, and try a quarter of the candidates each.
#pragma once

#include <cstddef>

#include "tensor/blocks/iq4_levels.h"
#include "tensor/blocks/lane_group.h"

namespace halfbyte::blocks {

struct LaneFit {
  Lanes scale;
  Lanes min;   // not negative in an affine fit, 0 in a symmetric one
  Lanes gain;  // what the fit takes off sum w * x^2
};

// The integers low .. high.
struct Integers {
  Lanes low;
  Lanes high;
  Lanes operator()(Lanes v) const { return round_even(clamp(v, low, high)); }
};

// The levels of iq4.
struct Iq4Levels {
  Lanes operator()(Lanes v) const { return snap_iq4_nearly(v); }
};

LaneFit fit_affine(const LaneGroup& group, bool shared, float top);  // levels 0 .. top
LaneFit fit_symmetric(const LaneGroup& group, bool shared, float low,
                      float high);  // levels low .. high
LaneFit fit_iq4(const LaneGroup& group, bool shared);

// The lane with the largest gain.
std::size_t best_lane(const LaneFit& fit);

}  // namespace halfbyte::blocks
