// The table of quantization methods. Adding one is a row and the function that the row names.
#pragma once

#include <cstddef>
#include <span>
#include <string_view>

#include "tensor/dtype.h"

namespace halfbyte {

// dst = src[n] in `type`, n whole rows side by side; called from many threads at once.
using EncodeWeights = void (*)(const DTypeInfo& type, const float* src, std::byte* dst,
                               std::size_t n);

struct Method {
  std::string_view name;  // as --method spells it
  std::string_view summary;
  EncodeWeights encode;
};

std::span<const Method> all_methods();
const Method* find_method(std::string_view name);  // nullptr if unknown

}  // namespace halfbyte
