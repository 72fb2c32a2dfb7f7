#include "runtime/relative_bias.h"

#include <algorithm>
#include <cmath>

namespace halfbyte {

std::uint32_t relative_bucket(std::int64_t distance, bool causal, std::uint32_t buckets,
                              std::uint32_t max_distance) {
  std::uint32_t first = 0;
  std::uint32_t count = buckets;
  std::int64_t steps = -distance;
  if (causal) {
    steps = std::max<std::int64_t>(steps, 0);
  } else {
    count /= 2;
    if (distance > 0) first = count;
    steps = std::abs(distance);
  }
  const std::uint32_t exact = count / 2;
  if (steps < exact) return first + static_cast<std::uint32_t>(steps);
  // f32 throughout, as the reference library computes it: bucket edges depend on the rounding.
  const float ratio = std::log(static_cast<float>(steps) / static_cast<float>(exact)) /
                      static_cast<float>(std::log(static_cast<double>(max_distance) / exact));
  const float place = ratio * static_cast<float>(count - exact);
  const auto far = exact + static_cast<std::uint32_t>(std::min(place, static_cast<float>(count)));
  return first + std::min(far, count - 1);
}

RelativeBias make_relative_bias(const StackSpec& stack, const float* table, std::uint64_t length) {
  RelativeBias bias;
  bias.stride = 2 * length - 1;
  bias.zero = static_cast<std::ptrdiff_t>(length) - 1;
  bias.values.resize(stack.heads * bias.stride);
  for (std::uint64_t i = 0; i < bias.stride; ++i) {
    const std::uint32_t bucket =
        relative_bucket(static_cast<std::int64_t>(i) - bias.zero, stack.causal,
                        stack.relative_buckets, stack.relative_max_distance);
    for (std::uint64_t head = 0; head < stack.heads; ++head) {
      bias.values[head * bias.stride + i] = table[std::uint64_t{bucket} * stack.heads + head];
    }
  }
  return bias;
}

}  // namespace halfbyte
