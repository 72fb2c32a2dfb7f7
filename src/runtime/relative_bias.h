// T5's relative position bias, laid out by distance.
#pragma once

#include <cstdint>
#include <vector>

#include "model/spec.h"

namespace halfbyte {

// The bucket of key - query = `distance` (Raffel et al. 2020; bidirectional unless causal).
std::uint32_t relative_bucket(std::int64_t distance, bool causal, std::uint32_t buckets,
                              std::uint32_t max_distance);

// bias[h * stride + distance + zero] for distances in (-length, length).
struct RelativeBias {
  std::vector<float> values;
  std::uint64_t stride = 0;
  std::ptrdiff_t zero = 0;
};
// `table` is [buckets, heads].
RelativeBias make_relative_bias(const StackSpec& stack, const float* table, std::uint64_t length);

}  // namespace halfbyte
