#include "tokenizer/jinja/literal.h"

#include <algorithm>
#include <charconv>
#include <cstdlib>

#include "tokenizer/jinja/text.h"

namespace halfbyte::jinja {

namespace {

bool is_base_digit(char c, int base) {
  if (base == 16 && ((c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F'))) return true;
  return c >= '0' && c < '0' + std::min(base, 10);
}

// Digits with single underscores between them, from `at`; appends them without.
std::size_t scan_digits(std::string_view text, std::size_t at, int base, std::string& digits) {
  const auto digit = [&](std::size_t i) { return i < text.size() && is_base_digit(text[i], base); };
  while (digit(at) || (!digits.empty() && at < text.size() && text[at] == '_' && digit(at + 1))) {
    if (text[at] != '_') digits += text[at];
    ++at;
  }
  return at;
}

// ".5", "e3", ".5e-3" after the digits that end at `at`; returns `at` if there is none.
std::size_t scan_fraction(std::string_view text, std::size_t at, std::string& number) {
  std::string part;
  std::size_t end = at;
  if (at < text.size() && text[at] == '.') {
    const std::size_t after = scan_digits(text, at + 1, 10, part);
    if (part.empty()) return at;
    number += '.' + part;
    end = after;
  }
  if (end >= text.size() || (text[end] != 'e' && text[end] != 'E')) return end;
  std::string sign;
  std::size_t digits_at = end + 1;
  if (digits_at < text.size() && (text[digits_at] == '+' || text[digits_at] == '-')) {
    sign = text[digits_at++];
  }
  part.clear();
  const std::size_t after = scan_digits(text, digits_at, 10, part);
  if (part.empty()) return end;
  number += 'e' + sign + part;
  return after;
}

bool parse_int(const std::string& digits, int base, std::int64_t& out) {
  const auto [end, error] =
      std::from_chars(digits.data(), digits.data() + digits.size(), out, base);
  return error == std::errc() && end == digits.data() + digits.size();
}

struct SimpleEscape {
  char name;
  char value;
};

constexpr SimpleEscape kSimpleEscapes[] = {{'\\', '\\'}, {'\'', '\''}, {'"', '"'},  {'a', '\a'},
                                           {'b', '\b'},  {'f', '\f'},  {'n', '\n'}, {'r', '\r'},
                                           {'t', '\t'},  {'v', '\v'}};

// Appends the code point of the `count` hex digits at raw[at].
bool hex_escape(std::string_view raw, std::size_t at, std::size_t count, std::string& out) {
  std::uint32_t value = 0;
  if (at + count > raw.size()) return false;
  const auto [end, error] = std::from_chars(raw.data() + at, raw.data() + at + count, value, 16);
  if (error != std::errc() || end != raw.data() + at + count) return false;
  if (value > 0x10ffff || (value >= 0xd800 && value <= 0xdfff)) return false;
  append_code_point(out, static_cast<std::int32_t>(value));
  return true;
}

std::size_t octal_escape(std::string_view raw, std::size_t at, std::string& out) {
  std::int32_t value = 0;
  std::size_t end = at;
  while (end < raw.size() && end < at + 3 && raw[end] >= '0' && raw[end] <= '7') {
    value = value * 8 + (raw[end++] - '0');
  }
  append_code_point(out, value);
  return end;
}

}  // namespace

bool scan_number(std::string_view text, bool fraction, NumberLiteral& out) {
  const char mark = text.size() > 2 && text[0] == '0' ? static_cast<char>(text[1] | 0x20) : ' ';
  const int base = mark == 'x' ? 16 : mark == 'o' ? 8 : mark == 'b' ? 2 : 10;
  std::string digits;
  if (base != 10) {
    const std::size_t start = text[2] == '_' ? 3 : 2;
    out.length = scan_digits(text, start, base, digits);
    return parse_int(digits, base, out.integer);
  }
  std::size_t end = scan_digits(text, 0, 10, digits);
  std::string number = digits;
  out.length = fraction ? scan_fraction(text, end, number) : end;
  out.floating = out.length != end;
  if (out.floating) {
    out.real = std::strtod(number.c_str(), nullptr);
    return true;
  }
  // Python has no numbers with leading zeros: 0 ends there.
  if (digits.size() > 1 && digits[0] == '0')
    return digits.find_first_not_of('0') == std::string::npos;
  return parse_int(digits, 10, out.integer);
}

bool unescape(std::string_view raw, std::string& out) {
  for (std::size_t i = 0; i < raw.size();) {
    if (raw[i] != '\\' || i + 1 >= raw.size()) {
      out += raw[i++];
      continue;
    }
    const char c = raw[i + 1];
    const auto* simple = std::find_if(std::begin(kSimpleEscapes), std::end(kSimpleEscapes),
                                      [&](const SimpleEscape& e) { return e.name == c; });
    const std::size_t hex = c == 'x' ? 2 : c == 'u' ? 4 : c == 'U' ? 8 : 0;
    if (simple != std::end(kSimpleEscapes)) {
      out += simple->value;
      i += 2;
    } else if (hex != 0) {
      if (!hex_escape(raw, i + 2, hex, out)) return false;
      i += 2 + hex;
    } else if (c >= '0' && c <= '7') {
      i = octal_escape(raw, i + 1, out);
    } else if (c == '\n') {
      i += 2;
    } else {  // an unknown escape stays as it is
      out += raw[i++];
    }
  }
  return true;
}

}  // namespace halfbyte::jinja
