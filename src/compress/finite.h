// Weights that are not finite, which nothing can be made of.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>

namespace halfbyte {

// The index of the first value that is not finite; values.size() where all are.
std::size_t first_not_finite(std::span<const float> values);

// Fails with kMalformed, naming the tensor and [output, input].
[[noreturn]] void fail_not_finite(std::string_view file, std::string_view tensor, float value,
                                  std::uint64_t output, std::uint64_t input);

}  // namespace halfbyte
