#include "cli/sizes.h"

#include <algorithm>
#include <cctype>
#include <charconv>
#include <string>

#include <fmt/format.h>

#include "base/error.h"

namespace halfbyte {

namespace {

struct Unit {
  std::string_view name;
  double bytes;
};
constexpr Unit kUnits[] = {
    {"", 1.0},
    {"b", 1.0},
    {"kb", 1e3},
    {"mb", 1e6},
    {"gb", 1e9},
    {"tb", 1e12},
    {"kib", 1024.0},
    {"mib", 1048576.0},
    {"gib", 1073741824.0},
    {"tib", 1099511627776.0},
};
constexpr double kMost = 1e18;

}  // namespace

std::uint64_t parse_bytes(std::string_view text) {
  double number = 0.0;
  const char* const end = text.data() + text.size();
  const auto [rest, error] = std::from_chars(text.data(), end, number);
  std::string unit;
  for (const char letter : std::string_view(rest, static_cast<std::size_t>(end - rest))) {
    if (letter != ' ' || !unit.empty()) {
      unit += static_cast<char>(std::tolower(static_cast<unsigned char>(letter)));
    }
  }
  const auto* const found = std::find_if(std::begin(kUnits), std::end(kUnits),
                                         [&](const Unit& row) { return row.name == unit; });
  const double bytes = found != std::end(kUnits) ? number * found->bytes : 0.0;
  if (error != std::errc{} || !(bytes >= 1.0 && bytes <= kMost)) {
    fail_usage(fmt::format("'{}' is no size: write 80MB, 1.5GB, 700MiB or bytes", text));
  }
  return static_cast<std::uint64_t>(bytes);
}

}  // namespace halfbyte
