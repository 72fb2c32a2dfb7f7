#include "compress/methods.h"

#include <algorithm>

namespace halfbyte {

namespace {

void round_to_nearest(const DTypeInfo& type, const float* src, std::byte* dst, std::size_t n) {
  type.encode(src, dst, n);
}

constexpr Method kMethods[] = {
    {"rtn", "round each weight to the nearest level of its block; needs no text", round_to_nearest},
};

}  // namespace

std::span<const Method> all_methods() {
  return kMethods;
}

const Method* find_method(std::string_view name) {
  const auto* found = std::find_if(std::begin(kMethods), std::end(kMethods),
                                   [&](const Method& method) { return method.name == name; });
  return found == std::end(kMethods) ? nullptr : found;
}

}  // namespace halfbyte
