// Characters newer than PCRE2's Unicode tables, seen as older ones of the same kind.
#include <algorithm>
#include <array>

#include "tokenizer/regex.h"

namespace halfbyte {
namespace {

struct Newer {
  char32_t first;
  char32_t last;
  char32_t stand_in;
};

constexpr auto kNewer = std::to_array<Newer>({
#include "tokenizer/unicode_delta.inc"
});

}  // namespace

char32_t stand_in(char32_t c) {
  const auto row = std::lower_bound(kNewer.begin(), kNewer.end(), c,
                                    [](const Newer& a, char32_t b) { return a.last < b; });
  return row != kNewer.end() && c >= row->first ? row->stand_in : c;
}

bool known_characters(std::string_view text, std::string& out) {
  bool changed = false;
  for (std::size_t i = 0; i < text.size();) {
    const std::size_t begin = i;
    if (static_cast<unsigned char>(text[i]) < 0x80) {
      ++i;
      continue;
    }
    const char32_t c = next_char(text, i);
    const char32_t other = stand_in(c);
    if (other == c) continue;
    if (!changed) out = text;
    changed = true;
    std::string one;
    append_utf8(one, other);
    out.replace(begin, one.size(), one);
  }
  return changed;
}

}  // namespace halfbyte
