#include "tokenizer/jinja/text.h"

#include <algorithm>

#include <utf8proc.h>

#include "base/error.h"

namespace halfbyte::jinja {

namespace {

// Needles up to this length cannot make the plain search slow enough to matter.
constexpr std::size_t kShortNeedle = 16;

// The prefix function of Knuth, Morris and Pratt.
std::vector<std::size_t> borders(std::string_view needle) {
  std::vector<std::size_t> border(needle.size(), 0);
  for (std::size_t i = 1, k = 0; i < needle.size(); ++i) {
    while (k > 0 && needle[i] != needle[k]) k = border[k - 1];
    if (needle[i] == needle[k]) ++k;
    border[i] = k;
  }
  return border;
}

bool is_line_end(std::int32_t c) {
  return (c >= 0x0a && c <= 0x0d) || (c >= 0x1c && c <= 0x1e) || c == 0x85 || c == 0x2028 ||
         c == 0x2029;
}

}  // namespace

CodePoint code_point_at(std::string_view text, std::size_t at) {
  const auto byte = static_cast<unsigned char>(text[at]);
  if (byte < 0x80) return {byte, 1};
  utf8proc_int32_t value = -1;
  const auto taken = utf8proc_iterate(
      reinterpret_cast<const utf8proc_uint8_t*>(text.data()) + at,
      static_cast<utf8proc_ssize_t>(std::min<std::size_t>(text.size() - at, 4)), &value);
  if (taken <= 0) return {0xdc00 + byte, 1};
  return {value, static_cast<std::size_t>(taken)};
}

void append_code_point(std::string& out, std::int32_t value) {
  if (value >= 0xdc80 && value <= 0xdcff) {
    out += static_cast<char>(value - 0xdc00);
    return;
  }
  utf8proc_uint8_t bytes[4];
  const auto count = utf8proc_encode_char(value, bytes);
  out.append(reinterpret_cast<const char*>(bytes), static_cast<std::size_t>(count));
}

std::vector<std::int32_t> code_points(std::string_view text) {
  std::vector<std::int32_t> points;
  points.reserve(text.size());
  for (std::size_t at = 0; at < text.size();) {
    const CodePoint point = code_point_at(text, at);
    points.push_back(point.value);
    at += point.bytes;
  }
  return points;
}

std::size_t text_length(std::string_view text) {
  std::size_t count = 0;
  for (std::size_t at = 0; at < text.size(); ++count) at += code_point_at(text, at).bytes;
  return count;
}

std::size_t text_offset(std::string_view text, std::size_t index) {
  std::size_t at = 0;
  while (index > 0 && at < text.size()) {
    at += code_point_at(text, at).bytes;
    --index;
  }
  return at;
}

bool valid_utf8(std::string_view text) {
  for (std::size_t at = 0; at < text.size();) {
    const CodePoint point = code_point_at(text, at);
    if (point.value >= 0xdc80 && point.value <= 0xdcff) return false;
    at += point.bytes;
  }
  return true;
}

std::size_t text_find(std::string_view text, std::string_view needle, std::size_t from) {
  if (needle.size() <= kShortNeedle) return text.find(needle, from);
  const auto border = borders(needle);
  for (std::size_t i = from, k = 0; i < text.size(); ++i) {
    while (k > 0 && text[i] != needle[k]) k = border[k - 1];
    if (text[i] == needle[k]) ++k;
    if (k == needle.size()) return i + 1 - k;
  }
  return std::string_view::npos;
}

std::size_t text_rfind(std::string_view text, std::string_view needle) {
  if (needle.size() <= kShortNeedle) return text.rfind(needle);
  const std::string text_back(text.rbegin(), text.rend());
  const std::string needle_back(needle.rbegin(), needle.rend());
  const std::size_t at = text_find(text_back, needle_back);
  return at == std::string::npos ? at : text.size() - at - needle.size();
}

bool is_space(std::int32_t c) {
  return (c >= 9 && c <= 13) || (c >= 28 && c <= 32) || c == 0x85 || c == 0xa0 || c == 0x1680 ||
         (c >= 0x2000 && c <= 0x200a) || c == 0x2028 || c == 0x2029 || c == 0x202f || c == 0x205f ||
         c == 0x3000;
}

std::string_view text_strip(std::string_view text, const std::string_view* chars, Side side) {
  const auto set = chars != nullptr ? code_points(*chars) : std::vector<std::int32_t>{};
  const auto drop = [&](std::int32_t c) {
    return chars == nullptr ? is_space(c) : std::find(set.begin(), set.end(), c) != set.end();
  };
  std::size_t first = 0;
  while ((side & kLeft) != 0 && first < text.size()) {
    const CodePoint point = code_point_at(text, first);
    if (!drop(point.value)) break;
    first += point.bytes;
  }
  std::size_t last = text.size();
  while ((side & kRight) != 0 && last > first) {
    std::size_t start = last - 1;
    while (start > first && last - start < 4 && (text[start] & 0xc0) == 0x80) --start;
    CodePoint point = code_point_at(text, start);
    if (start + point.bytes != last) point = code_point_at(text.substr(0, last), start = last - 1);
    if (!drop(point.value)) break;
    last = start;
  }
  return text.substr(first, last - first);
}

std::string text_replace(std::string_view text, std::string_view old, std::string_view fresh,
                         std::int64_t count, std::size_t max_bytes) {
  std::string out;
  std::size_t at = 0;
  const auto append = [&](std::string_view piece) {
    if (out.size() + piece.size() > max_bytes) {
      fail_malformed("", "a string of the chat template is too long");
    }
    out += piece;
  };
  for (; count != 0; --count) {
    if (old.empty()) {  // between any two characters, and at both ends
      append(fresh);
      if (at >= text.size()) break;
      const std::size_t bytes = code_point_at(text, at).bytes;
      append(text.substr(at, bytes));
      at += bytes;
      continue;
    }
    const std::size_t found = text_find(text, old, at);
    if (found == std::string_view::npos) break;
    append(text.substr(at, found - at));
    append(fresh);
    at = found + old.size();
  }
  append(text.substr(at));
  return out;
}

std::vector<std::string_view> split_lines(std::string_view text, bool keep_ends) {
  std::vector<std::string_view> lines;
  std::size_t start = 0;
  for (std::size_t at = 0; at < text.size();) {
    const CodePoint point = code_point_at(text, at);
    const std::size_t end = at;
    at += point.bytes;
    if (!is_line_end(point.value)) continue;
    if (point.value == '\r' && at < text.size() && text[at] == '\n') ++at;
    lines.push_back(text.substr(start, (keep_ends ? at : end) - start));
    start = at;
  }
  if (start < text.size()) lines.push_back(text.substr(start));
  return lines;
}

}  // namespace halfbyte::jinja
