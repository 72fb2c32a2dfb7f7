// Classes come from tables of what the reference library says, so that they do not change with the
// Unicode version of a system library.
#include "tokenizer/text.h"

#include <algorithm>
#include <array>
#include <iterator>

#include <utf8proc.h>

namespace halfbyte {
namespace {

struct CharRange {
  char32_t first;
  char32_t last;
};
struct LowerRange {
  char32_t first;
  char32_t last;
  char32_t stride;
  std::int32_t delta;
};
#include "tokenizer/unicode_tables.inc"

// The range of a sorted table that `c` lies in, or nullptr.
template <typename Range, std::size_t N>
const Range* find_range(const Range (&table)[N], char32_t c) {
  const Range* row = std::lower_bound(std::begin(table), std::end(table), c,
                                      [](const Range& a, char32_t b) { return a.last < b; });
  return row != std::end(table) && c >= row->first ? row : nullptr;
}

bool is_continuation(char c) {
  return (static_cast<unsigned char>(c) & 0xC0u) == 0x80u;
}

// The range of the second byte of a character, by its first (Unicode, table 3-7).
bool second_fits(unsigned char first, unsigned char second) {
  switch (first) {
    case 0xE0:
      return second >= 0xA0 && second <= 0xBF;
    case 0xED:
      return second >= 0x80 && second <= 0x9F;
    case 0xF0:
      return second >= 0x90 && second <= 0xBF;
    case 0xF4:
      return second >= 0x80 && second <= 0x8F;
    default:
      return second >= 0x80 && second <= 0xBF;
  }
}

// Printable bytes of Latin-1 stand for themselves; the others follow from U+0100 on.
struct ByteChars {
  std::array<char32_t, 256> chars{};
  std::array<std::int16_t, 0x144> bytes{};
  constexpr ByteChars() {
    bytes.fill(-1);
    char32_t next = 0x100;
    for (unsigned b = 0; b < 256; ++b) {
      const bool own = (b >= 0x21 && b <= 0x7E) || (b >= 0xA1 && b <= 0xAC) || b >= 0xAE;
      chars[b] = own ? static_cast<char32_t>(b) : next++;
      bytes[chars[b]] = static_cast<std::int16_t>(b);
    }
  }
};
constexpr ByteChars kByteChars;

}  // namespace

char32_t next_char(std::string_view text, std::size_t& i) {
  const auto at = [&](std::size_t k) {
    return static_cast<char32_t>(static_cast<unsigned char>(text[i + k]));
  };
  const char32_t lead = at(0);
  const std::size_t n = char_bytes(text[i]);
  char32_t c = lead;
  if (n == 2) c = ((lead & 0x1Fu) << 6) | (at(1) & 0x3Fu);
  if (n == 3) c = ((lead & 0x0Fu) << 12) | ((at(1) & 0x3Fu) << 6) | (at(2) & 0x3Fu);
  if (n == 4) {
    c = ((lead & 0x07u) << 18) | ((at(1) & 0x3Fu) << 12) | ((at(2) & 0x3Fu) << 6) | (at(3) & 0x3Fu);
  }
  i += n;
  return c;
}

std::size_t char_bytes(char lead) {
  const auto b = static_cast<unsigned char>(lead);
  if (b < 0xC0) return 1;
  if (b < 0xE0) return 2;
  return b < 0xF0 ? 3 : 4;
}

void append_utf8(std::string& out, char32_t c) {
  const auto put = [&](char32_t b) { out += static_cast<char>(static_cast<unsigned char>(b)); };
  if (c < 0x80) {
    put(c);
  } else if (c < 0x800) {
    put(0xC0 | (c >> 6));
    put(0x80 | (c & 0x3F));
  } else if (c < 0x10000) {
    put(0xE0 | (c >> 12));
    put(0x80 | ((c >> 6) & 0x3F));
    put(0x80 | (c & 0x3F));
  } else {
    put(0xF0 | (c >> 18));
    put(0x80 | ((c >> 12) & 0x3F));
    put(0x80 | ((c >> 6) & 0x3F));
    put(0x80 | (c & 0x3F));
  }
}

std::size_t valid_char(std::string_view bytes, std::size_t& bad) {
  const auto first = static_cast<unsigned char>(bytes[0]);
  bad = 1;
  if (first < 0x80) return 1;
  if (first < 0xC2 || first > 0xF4) return 0;
  const std::size_t n = char_bytes(bytes[0]);
  for (std::size_t k = 1; k < n; ++k) {
    if (k == bytes.size()) {
      bad = 0;
      return 0;
    }
    const bool fits = k == 1 ? second_fits(first, static_cast<unsigned char>(bytes[1]))
                             : is_continuation(bytes[k]);
    if (!fits) {
      bad = k;
      return 0;
    }
  }
  return n;
}

std::string repair_utf8(std::string_view bytes) {
  std::string out;
  out.reserve(bytes.size());
  while (!bytes.empty()) {
    std::size_t bad = 0;
    const std::size_t n = valid_char(bytes, bad);
    if (n == 0) {
      append_utf8(out, 0xFFFD);
      if (bad == 0) break;
    }
    out += bytes.substr(0, n);
    bytes.remove_prefix(n == 0 ? bad : n);
  }
  return out;
}

bool is_white_space(char32_t c) {
  if (c < 0x80) return c == ' ' || (c >= 9 && c <= 13);
  return c == 0x85 || c == 0xA0 || c == 0x1680 || (c >= 0x2000 && c <= 0x200A) || c == 0x2028 ||
         c == 0x2029 || c == 0x202F || c == 0x205F || c == 0x3000;
}

bool is_word_char(char32_t c) {
  c = stand_in(c);
  const utf8proc_category_t g = utf8proc_category(static_cast<utf8proc_int32_t>(c));
  return (g >= UTF8PROC_CATEGORY_LU && g <= UTF8PROC_CATEGORY_ND) || g == UTF8PROC_CATEGORY_NL ||
         g == UTF8PROC_CATEGORY_PC || c == 0x200C || c == 0x200D ||
         (c >= 0x24B6 && c <= 0x24E9) ||  // circled letters: Alphabetic, though So
         (c >= 0x1F130 && c <= 0x1F149) || (c >= 0x1F150 && c <= 0x1F169) ||
         (c >= 0x1F170 && c <= 0x1F189);
}

bool is_number(char32_t c) {
  return find_range(kNumber, c) != nullptr;
}
bool is_punctuation(char32_t c) {
  return find_range(kPunctuation, c) != nullptr;
}
bool is_mark(char32_t c) {
  return find_range(kMark, c) != nullptr;
}
bool is_nonspacing_mark(char32_t c) {
  return find_range(kNonspacing, c) != nullptr;
}
bool is_control(char32_t c) {
  return find_range(kControl, c) != nullptr;
}
bool is_inert(char32_t c) {
  return find_range(kInert, c) != nullptr;
}

char32_t to_lower(char32_t c) {
  const LowerRange* row = find_range(kLower, c);
  if (row == nullptr || (c - row->first) % row->stride != 0) return c;
  return static_cast<char32_t>(static_cast<std::int32_t>(c) + row->delta);
}

bool is_chinese(char32_t c) {
  return (c >= 0x4E00 && c <= 0x9FFF) || (c >= 0x3400 && c <= 0x4DBF) ||
         (c >= 0x20000 && c <= 0x2A6DF) || (c >= 0x2A700 && c <= 0x2B73F) ||
         (c >= 0x2B740 && c <= 0x2B81F) || (c >= 0x2B920 && c <= 0x2CEAF) ||
         (c >= 0xF900 && c <= 0xFAFF) || (c >= 0x2F800 && c <= 0x2FA1F);
}

char32_t byte_to_char(unsigned char byte) {
  return kByteChars.chars[byte];
}

int char_to_byte(char32_t c) {
  return c < kByteChars.bytes.size() ? kByteChars.bytes[c] : -1;
}

}  // namespace halfbyte
