#include "runtime/routes.h"

#include <algorithm>
#include <cmath>

namespace halfbyte {

namespace {

constexpr float kTaken = -1.0f;  // below every probability

std::uint64_t slots_of(const ExpertSpec& spec) {
  return std::uint64_t{spec.used} + (spec.shared_ffn > 0 ? 1 : 0);
}

std::uint64_t experts_of(const ExpertSpec& spec) {
  return std::uint64_t{spec.count} + (spec.shared_ffn > 0 ? 1 : 0);
}

// The numerators of the softmax, in place; gives their sum. Numerators are ordered, whatever the
// outputs are; where one is not a number the sum tells.
float numerators(std::span<float> outputs) {
  float largest = -INFINITY;
  for (const float x : outputs) largest = std::max(largest, x);
  float sum = 0.0f;
  for (float& x : outputs) {
    x = std::exp(x - largest);
    sum += x;
    if (std::isnan(x)) x = 0.0f;
  }
  return sum;
}

}  // namespace

std::uint64_t Routes::cost(const ExpertSpec& spec, std::uint64_t rows) {
  const std::uint64_t pairs = rows * slots_of(spec);
  return 2 * (Arena::cost<std::uint32_t>(pairs) + Arena::cost<float>(pairs)) +
         Arena::cost<std::uint32_t>(experts_of(spec) + 1);
}

void Routes::take(Arena& arena, const ExpertSpec& spec, std::uint64_t rows) {
  slots_ = slots_of(spec);
  chosen_ = arena.take<std::uint32_t>(rows * slots_);
  chosen_weights_ = arena.take<float>(rows * slots_);
  begins_ = arena.take<std::uint32_t>(experts_of(spec) + 1);
  rows_ = arena.take<std::uint32_t>(rows * slots_);
  weights_ = arena.take<float>(rows * slots_);
}

void Routes::choose(const ExpertSpec& spec, std::uint64_t row, float* outputs) {
  std::uint32_t* const chosen = chosen_ + row * slots_;
  float* const weights = chosen_weights_ + row * slots_;
  float sum = numerators({outputs, spec.count});
  float used = 0.0f;
  for (std::uint32_t i = 0; i < spec.used; ++i) {
    float* const best = std::max_element(outputs, outputs + spec.count);
    chosen[i] = static_cast<std::uint32_t>(best - outputs);
    weights[i] = *best / sum;
    used += weights[i];
    *best = kTaken;
  }
  for (std::uint32_t i = 0; spec.normalize && i < spec.used; ++i) weights[i] /= used;
  if (spec.shared_ffn == 0) return;
  chosen[spec.used] = spec.count;
  weights[spec.used] = 1.0f / (1.0f + std::exp(-outputs[spec.count]));
}

void Routes::sort(const ExpertSpec& spec, std::uint64_t rows) {
  const std::uint64_t experts = experts_of(spec);
  std::fill_n(begins_, experts + 1, 0u);
  for (std::uint64_t i = 0; i < rows * slots_; ++i) ++begins_[chosen_[i] + 1];
  for (std::uint64_t e = 0; e < experts; ++e) begins_[e + 1] += begins_[e];
  // Each expert's begin moves to its end, which is the next one's begin.
  for (std::uint64_t i = 0; i < rows * slots_; ++i) {
    const std::uint32_t place = begins_[chosen_[i]]++;
    rows_[place] = static_cast<std::uint32_t>(i / slots_);
    weights_[place] = chosen_weights_[i];
  }
  std::copy_backward(begins_, begins_ + experts, begins_ + experts + 1);
  begins_[0] = 0;
}

ExpertRows Routes::of(int expert) const {
  const std::uint32_t begin = begins_[expert];
  return {{rows_ + begin, begins_[expert + 1] - begin}, weights_ + begin};
}

}  // namespace halfbyte
