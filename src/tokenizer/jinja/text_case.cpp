// Character classes and case mapping, after the Unicode tables of utf8proc.
#include <algorithm>

#include <utf8proc.h>

#include "tokenizer/jinja/text.h"

namespace halfbyte::jinja {

namespace {

struct Expansion {
  std::int32_t from;
  const char* upper;
  const char* title;
};

// Letters whose capital is more than one letter (Unicode SpecialCasing, the common ones).
constexpr Expansion kExpansions[] = {
    {0x00df, "SS", "Ss"},   {0x0149, "ʼN", "ʼN"}, {0x01f0, "J̌", "J̌"},   {0x0587, "ԵՒ", "Եւ"},
    {0xfb00, "FF", "Ff"},   {0xfb01, "FI", "Fi"}, {0xfb02, "FL", "Fl"}, {0xfb03, "FFI", "Ffi"},
    {0xfb04, "FFL", "Ffl"}, {0xfb05, "ST", "St"}, {0xfb06, "ST", "St"},
};

utf8proc_category_t category(std::int32_t c) {
  return utf8proc_category(c);
}

bool cased(std::int32_t c) {
  return is_upper(c) || is_lower(c) || is_title(c);
}

bool case_ignorable(std::int32_t c) {
  const auto k = category(c);
  return c == '\'' || c == '.' || c == ':' || c == 0xb7 || c == 0x2019 ||
         k == UTF8PROC_CATEGORY_MN || k == UTF8PROC_CATEGORY_ME || k == UTF8PROC_CATEGORY_CF ||
         k == UTF8PROC_CATEGORY_LM || k == UTF8PROC_CATEGORY_SK;
}

// A sigma at the end of a word has its own small letter.
bool final_sigma(const std::vector<std::int32_t>& points, std::size_t at) {
  std::size_t before = at;
  while (before > 0 && case_ignorable(points[before - 1])) --before;
  if (before == 0 || !cased(points[before - 1])) return false;
  std::size_t after = at + 1;
  while (after < points.size() && case_ignorable(points[after])) ++after;
  return after == points.size() || !cased(points[after]);
}

void append_lower(std::string& out, const std::vector<std::int32_t>& points, std::size_t at) {
  const std::int32_t c = points[at];
  if (c == 0x130) {
    out += "i̇";
  } else if (c == 0x3a3) {
    append_code_point(out, final_sigma(points, at) ? 0x3c2 : 0x3c3);
  } else {
    append_code_point(out, utf8proc_tolower(c));
  }
}

const Expansion* expansion(std::int32_t c) {
  const auto* found = std::find_if(std::begin(kExpansions), std::end(kExpansions),
                                   [&](const Expansion& e) { return e.from == c; });
  return found == std::end(kExpansions) ? nullptr : found;
}

void append_upper(std::string& out, std::int32_t c) {
  if (const Expansion* e = expansion(c)) {
    out += e->upper;
  } else {
    append_code_point(out, utf8proc_toupper(c));
  }
}

void append_title(std::string& out, std::int32_t c) {
  if (const Expansion* e = expansion(c)) {
    out += e->title;
  } else {
    append_code_point(out, utf8proc_totitle(c));
  }
}

}  // namespace

bool is_alpha(std::int32_t c) {
  const auto k = category(c);
  return k >= UTF8PROC_CATEGORY_LU && k <= UTF8PROC_CATEGORY_LO;
}

bool is_decimal(std::int32_t c) {
  return category(c) == UTF8PROC_CATEGORY_ND;
}

bool is_digit(std::int32_t c) {
  // Superscripts, subscripts and circled digits are digits but not decimals.
  return is_decimal(c) || c == 0xb2 || c == 0xb3 || c == 0xb9 || c == 0x2070 ||
         (c >= 0x2074 && c <= 0x2079) || (c >= 0x2080 && c <= 0x2089) ||
         (c >= 0x2460 && c <= 0x2468) || (c >= 0x2474 && c <= 0x247c);
}

bool is_numeric(std::int32_t c) {
  const auto k = category(c);
  return k == UTF8PROC_CATEGORY_ND || k == UTF8PROC_CATEGORY_NL || k == UTF8PROC_CATEGORY_NO;
}

bool is_upper(std::int32_t c) {
  return category(c) == UTF8PROC_CATEGORY_LU || (c >= 0x2160 && c <= 0x216f) ||
         (c >= 0x24b6 && c <= 0x24cf);
}

bool is_lower(std::int32_t c) {
  return category(c) == UTF8PROC_CATEGORY_LL || c == 0xaa || c == 0xba ||
         (c >= 0x2170 && c <= 0x217f) || (c >= 0x24d0 && c <= 0x24e9) || (c >= 0x2b0 && c <= 0x2b8);
}

bool is_title(std::int32_t c) {
  return category(c) == UTF8PROC_CATEGORY_LT;
}

bool is_word(std::int32_t c) {
  return c == '_' || is_alpha(c) || is_numeric(c);
}

bool is_printable(std::int32_t c) {
  if (c == ' ') return true;
  const auto k = category(c);
  return k != UTF8PROC_CATEGORY_CN && k != UTF8PROC_CATEGORY_CC && k != UTF8PROC_CATEGORY_CF &&
         k != UTF8PROC_CATEGORY_CS && k != UTF8PROC_CATEGORY_CO && k != UTF8PROC_CATEGORY_ZS &&
         k != UTF8PROC_CATEGORY_ZL && k != UTF8PROC_CATEGORY_ZP;
}

std::string text_lower(std::string_view text) {
  const auto points = code_points(text);
  std::string out;
  out.reserve(text.size());
  for (std::size_t i = 0; i < points.size(); ++i) append_lower(out, points, i);
  return out;
}

std::string text_upper(std::string_view text) {
  std::string out;
  out.reserve(text.size());
  for (const std::int32_t c : code_points(text)) append_upper(out, c);
  return out;
}

std::string text_title(std::string_view text) {
  const auto points = code_points(text);
  std::string out;
  bool inside = false;
  for (std::size_t i = 0; i < points.size(); ++i) {
    if (inside) {
      append_lower(out, points, i);
    } else {
      append_title(out, points[i]);
    }
    inside = cased(points[i]);
  }
  return out;
}

std::string text_capitalize(std::string_view text) {
  const auto points = code_points(text);
  std::string out;
  for (std::size_t i = 0; i < points.size(); ++i) {
    if (i == 0) {
      append_title(out, points[i]);
    } else {
      append_lower(out, points, i);
    }
  }
  return out;
}

std::string text_swapcase(std::string_view text) {
  const auto points = code_points(text);
  std::string out;
  for (std::size_t i = 0; i < points.size(); ++i) {
    if (is_upper(points[i])) {
      append_lower(out, points, i);
    } else if (is_lower(points[i])) {
      append_upper(out, points[i]);
    } else {
      append_code_point(out, points[i]);
    }
  }
  return out;
}

}  // namespace halfbyte::jinja
