#include "tensor/blocks/grid_refine.h"

#include "base/half.h"

namespace halfbyte::blocks {

namespace {

constexpr int kRounds = 2;

float sum(Lanes v) {
  return (v[0] + v[1]) + (v[2] + v[3]);
}

// Of nearest levels. A scale of 0 makes the levels NaN or whatever the range ends with, times 0.
template <typename Levels>
Lanes error_of(const LaneGroup& group, const Levels& levels, Lanes scale, Lanes min) {
  const Lanes inverse_scale = inverse(scale);
  Lanes error = splat(0.0f);
  for (std::size_t i = 0; i < group.n; ++i) {
    const Lanes shifted = group.x[i] + min;
    const Lanes miss = scale * levels(shifted * inverse_scale) - shifted;
    error += group.w[i] * miss * miss;
  }
  return error;
}

// The minimum that suits the codes of this scale and minimum best.
template <typename Levels>
Lanes better_min(const LaneGroup& group, const Levels& levels, Lanes scale, Lanes min) {
  const Lanes inverse_scale = inverse(scale);
  Lanes weights = splat(0.0f);
  Lanes excess = splat(0.0f);
  for (std::size_t i = 0; i < group.n; ++i) {
    const Lanes level = levels((group.x[i] + min) * inverse_scale);
    weights += group.w[i];
    excess += group.w[i] * (scale * level - group.x[i]);
  }
  return excess / weights;
}

struct GroupScales {
  Lanes s;
  Lanes m;
  Lanes error;
};

Lanes nearest_in(const BlockShape& shape, Lanes v) {
  return round_even(clamp(v, splat(static_cast<float>(shape.sub.low)),
                          splat(static_cast<float>(shape.sub.high))));
}

// Neighbours of s, each with the minimum that goes with it.
template <typename Levels>
void step_groups(const BlockShape& shape, const LaneGroup& group, const Levels& levels, float d,
                 float dmin, GroupScales& best) {
  const bool with_min = shape.levels == blocks::Levels::zero_up && dmin != 0.0f;
  const GroupScales start = best;
  for (const float step : {0.0f, -1.0f, 1.0f}) {
    if (step == 0.0f && !with_min) continue;
    GroupScales found;
    found.s = nearest_in(shape, start.s + step);
    const Lanes scale = d * found.s;
    found.m = start.m;
    if (with_min) {
      found.m = nearest_in(shape, better_min(group, levels, scale, dmin * start.m) / dmin);
    }
    found.error = error_of(group, levels, scale, dmin * found.m);
    const IntLanes better = found.error < best.error;
    best.s = select(better, found.s, best.s);
    best.m = select(better, found.m, best.m);
    best.error = select(better, found.error, best.error);
  }
}

// Normal equations of d and dmin.
struct Normal {
  Lanes ll = splat(0.0f);
  Lanes lm = splat(0.0f);
  Lanes mm = splat(0.0f);
  Lanes lx = splat(0.0f);
  Lanes mx = splat(0.0f);
};

template <typename Levels>
void add_group(const LaneGroup& group, const Levels& levels, float d, float dmin, Lanes s, Lanes m,
               Normal& sums) {
  const Lanes inverse_scale = inverse(d * s);
  const Lanes min = dmin * m;
  for (std::size_t i = 0; i < group.n; ++i) {
    const Lanes level = s * levels((group.x[i] + min) * inverse_scale);
    const Lanes weighted = group.w[i] * level;
    sums.ll += weighted * level;
    sums.lm += weighted * m;
    sums.lx += weighted * group.x[i];
    sums.mm += group.w[i] * m * m;
    sums.mx += group.w[i] * m * group.x[i];
  }
}

// The halves next to the solution; as they were where there is none.
void solve(const Normal& sums, float& d, float& dmin) {
  const double ll = sum(sums.ll);
  const double lm = sum(sums.lm);
  const double mm = sum(sums.mm);
  const double lx = sum(sums.lx);
  const double mx = sum(sums.mx);
  const double determinant = ll * mm - lm * lm;
  double new_d = d;
  double new_dmin = dmin;
  if (mm > 0.0 && determinant > 1e-6 * ll * mm) {
    new_d = (lx * mm - lm * mx) / determinant;
    new_dmin = (lm * lx - ll * mx) / determinant;
  } else if (ll > 0.0) {
    new_d = (lx + dmin * lm) / ll;
  }
  d = half_to_float(float_to_half(static_cast<float>(new_d)));
  dmin = half_to_float(float_to_half(static_cast<float>(new_dmin)));
}

template <typename Levels>
class Refinement {
 public:
  Refinement(const BlockShape& shape, const LaneGroup* groups, Levels levels, SuperScales& scales)
      : shape_(shape), groups_(groups), levels_(levels), scales_(scales) {}

  void run() {
    for (int round = 0; round < kRounds; ++round) {
      step();
      if (!refit()) return;
    }
    step();
  }

 private:
  [[nodiscard]] std::size_t quads() const { return shape_.groups / kLanes; }

  [[nodiscard]] Lanes error(std::size_t quad, float d, float dmin) const {
    return error_of(groups_[quad], levels_, d * load_lanes(&scales_.s[quad * kLanes]),
                    dmin * load_lanes(&scales_.m[quad * kLanes]));
  }

  void step() {
    error_ = 0.0f;
    for (std::size_t quad = 0; quad < quads(); ++quad) {
      float* s = &scales_.s[quad * kLanes];
      float* m = &scales_.m[quad * kLanes];
      GroupScales best{load_lanes(s), load_lanes(m), error(quad, scales_.d, scales_.dmin)};
      step_groups(shape_, groups_[quad], levels_, scales_.d, scales_.dmin, best);
      store_lanes(s, best.s);
      store_lanes(m, best.m);
      error_ += sum(best.error);
    }
  }

  // Whether new d and dmin are better.
  bool refit() {
    Normal sums;
    for (std::size_t quad = 0; quad < quads(); ++quad) {
      add_group(groups_[quad], levels_, scales_.d, scales_.dmin,
                load_lanes(&scales_.s[quad * kLanes]), load_lanes(&scales_.m[quad * kLanes]), sums);
    }
    float d = scales_.d;
    float dmin = scales_.dmin;
    solve(sums, d, dmin);
    float after = 0.0f;
    for (std::size_t quad = 0; quad < quads(); ++quad) after += sum(error(quad, d, dmin));
    if (!(after < error_) || !(dmin >= 0.0f)) return false;
    scales_.d = d;
    scales_.dmin = dmin;
    return true;
  }

  const BlockShape& shape_;
  const LaneGroup* groups_;
  Levels levels_;
  SuperScales& scales_;
  float error_ = 0.0f;
};

}  // namespace

void refine(const BlockShape& shape, const LaneGroup* groups, SuperScales& scales) {
  if (shape.levels == Levels::iq4) {
    Refinement(shape, groups, Iq4Levels{}, scales).run();
  } else {
    Refinement(shape, groups, Integers{splat(shape.low), splat(shape.high)}, scales).run();
  }
}

}  // namespace halfbyte::blocks
