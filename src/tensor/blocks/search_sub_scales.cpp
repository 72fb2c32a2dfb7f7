// The search for the half that scales the sub-scales of a superblock.
#include <algorithm>

#include "tensor/blocks/lanes.h"
#include "tensor/blocks/search.h"

namespace halfbyte::blocks {

namespace {

constexpr float kNearlyZero = 1e-15f;
constexpr int kDescents = 5;

struct Problem {
  const float* x;
  const float* w;
  std::size_t n;
  int top;
};

// Weighted squared error with integers round(inverse * x). The first candidate's integers are
// stored in bytes unclamped.
template <typename Integer>
float error_of(const Problem& p, float inverse, Integer integer) {
  const float scale = 1.0f / inverse;
  float error = 0.0f;
  for (std::size_t i = 0; i < p.n; ++i) {
    const float miss =
        p.x[i] - scale * static_cast<float>(integer(nearest_integer(inverse * p.x[i])));
    error += p.w[i] * miss * miss;
  }
  return error;
}

float best_inverse(const Problem& p, float max) {
  const auto as_byte = [](int l) { return static_cast<std::uint8_t>(l); };
  const auto at_most_top = [&p](int l) { return std::min(p.top, l); };
  float best = static_cast<float>(p.top) / max;
  float least = error_of(p, best, as_byte);
  for (int k = -4; k <= 4; ++k) {
    if (k == 0) continue;
    const float inverse = (0.1f * static_cast<float>(k) + static_cast<float>(p.top)) / max;
    const float error = error_of(p, inverse, at_most_top);
    if (error < least) {
      least = error;
      best = inverse;
    }
  }
  return best;
}

struct Sums {
  float lx = 0.0f;
  float l2 = 0.0f;
};

Sums plus(Sums sums, float w, float x, int level, float sign) {
  const float l = static_cast<float>(level);
  return {sums.lx + sign * (w * x * l), sums.l2 + sign * (w * l * l)};
}

// One round: each integer goes where the scale of the others puts it, if that explains more.
bool descend(const Problem& p, Sums& sums, std::uint8_t* s) {
  bool moved = false;
  for (std::size_t i = 0; i < p.n; ++i) {
    const Sums others = plus(sums, p.w[i], p.x[i], s[i], -1.0f);
    if (!(others.lx > 0.0f && others.l2 > 0.0f)) continue;
    const int level = std::min(p.top, nearest_integer(p.x[i] * others.l2 / others.lx));
    if (level == s[i]) continue;
    const Sums changed = plus(others, p.w[i], p.x[i], level, 1.0f);
    if (changed.lx * changed.lx * sums.l2 > sums.lx * sums.lx * changed.l2) {
      s[i] = static_cast<std::uint8_t>(level);
      sums = changed;
      moved = true;
    }
  }
  return moved;
}

}  // namespace

float search_sub_scales(const float* values, const float* w, std::size_t n, int top,
                        std::uint8_t* s) {
  const Problem problem{values, w, n, top};
  float max = 0.0f;
  for (std::size_t i = 0; i < n; ++i) max = max > values[i] ? max : values[i];
  if (max < kNearlyZero) {
    std::fill_n(s, n, std::uint8_t{0});
    return 0.0f;
  }
  const float inverse = best_inverse(problem, max);
  Sums sums;
  for (std::size_t i = 0; i < n; ++i) {
    const int level = std::min(top, nearest_integer(inverse * values[i]));
    s[i] = static_cast<std::uint8_t>(level);
    // The sums take the integer before it became a byte.
    sums = plus(sums, w[i], values[i], level, 1.0f);
  }
  for (int k = 0; k < kDescents && descend(problem, sums, s); ++k) {
  }
  return sums.l2 > 0.0f ? sums.lx / sums.l2 : 0.0f;
}

}  // namespace halfbyte::blocks
