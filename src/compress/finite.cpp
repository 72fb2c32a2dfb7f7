#include "compress/finite.h"

#include <algorithm>
#include <cmath>

#include <fmt/format.h>

#include "base/error.h"

namespace halfbyte {

std::size_t first_not_finite(std::span<const float> values) {
  const auto bad = std::find_if_not(values.begin(), values.end(),
                                    [](float value) { return std::isfinite(value); });
  return static_cast<std::size_t>(bad - values.begin());
}

void fail_not_finite(std::string_view file, std::string_view tensor, float value,
                     std::uint64_t output, std::uint64_t input) {
  fail_malformed(file,
                 fmt::format("tensor '{}' holds {} at [{}, {}]", tensor, value, output, input));
}

}  // namespace halfbyte
