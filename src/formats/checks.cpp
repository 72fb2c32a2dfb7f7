#include "formats/checks.h"

#include <algorithm>
#include <limits>

#include <fmt/format.h>

namespace halfbyte {

bool is_clean_name(std::string_view name) {
  const auto is_control = [](char c) { return static_cast<unsigned char>(c) < 0x20 || c == 0x7f; };
  return !name.empty() && std::none_of(name.begin(), name.end(), is_control) && is_valid_utf8(name);
}

bool is_plain_file_name(std::string_view name) {
  constexpr std::size_t kMaxFileName = 255;
  return is_clean_name(name) && name.size() <= kMaxFileName && name != "." && name != ".." &&
         name.find_first_of("/\\") == std::string_view::npos;
}

bool is_sane_shape(const Shape& shape) {
  std::uint64_t product = 1;
  for (const std::uint64_t dimension : shape) {
    const auto next = checked_mul(product, std::max<std::uint64_t>(dimension, 1));
    if (!next || *next > std::uint64_t{std::numeric_limits<std::int64_t>::max()}) return false;
    product = *next;
  }
  return true;
}

std::string in_quotes(std::string_view name) {
  constexpr std::size_t kShown = 80;
  if (name.size() <= kShown) return fmt::format("'{}'", name);
  return fmt::format("'{}...'", name.substr(0, kShown));
}

}  // namespace halfbyte
