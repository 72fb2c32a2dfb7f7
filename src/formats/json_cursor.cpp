#include "formats/json_cursor.h"

#include <algorithm>
#include <charconv>
#include <system_error>

#include <fmt/format.h>

#include "base/bytes.h"

namespace halfbyte {

namespace {

constexpr int kMaxDepth = 64;

bool is_digit(char c) {
  return c >= '0' && c <= '9';
}

void append_utf8(std::string& out, std::uint32_t c) {
  const auto tail = [&](unsigned shift) { out += static_cast<char>(0x80 | ((c >> shift) & 0x3F)); };
  if (c < 0x80) {
    out += static_cast<char>(c);
  } else if (c < 0x800) {
    out += static_cast<char>(0xC0 | (c >> 6));
    tail(0);
  } else if (c < 0x10000) {
    out += static_cast<char>(0xE0 | (c >> 12));
    tail(6);
    tail(0);
  } else {
    out += static_cast<char>(0xF0 | (c >> 18));
    tail(12);
    tail(6);
    tail(0);
  }
}

}  // namespace

JsonCursor::JsonCursor(std::string_view text, std::string_view file, std::uint64_t base)
    : text_(text), file_(file), base_(base) {
  if (!is_valid_utf8(text)) fail_malformed(file, "JSON is not UTF-8", base);
}

void JsonCursor::fail(std::string_view what) const {
  fail_malformed(file_, std::string(what), offset());
}

void JsonCursor::skip_space() {
  const std::size_t next = text_.find_first_not_of(" \t\r\n", position_);
  position_ = next == std::string_view::npos ? text_.size() : next;
}

char JsonCursor::take() {
  if (position_ == text_.size()) fail("JSON ends too early");
  return text_[position_++];
}

bool JsonCursor::accept(char c) {
  skip_space();
  if (position_ == text_.size() || text_[position_] != c) return false;
  ++position_;
  return true;
}

void JsonCursor::expect(char c) {
  if (!accept(c)) fail(fmt::format("expected '{}'", c));
}

bool JsonCursor::next_element(char end) {
  if (accept(',')) return true;
  expect(end);
  return false;
}

void JsonCursor::expect_end() {
  skip_space();
  if (position_ != text_.size()) fail("text after the JSON value");
}

std::string JsonCursor::string(std::uint64_t max_bytes) {
  expect('"');
  // Escapes only get shorter, so the text up to the closing quote bounds the result.
  std::size_t end = position_;
  while (end < text_.size() && text_[end] != '"') end += text_[end] == '\\' ? 2 : 1;
  if (end >= text_.size()) fail("a JSON string does not end");
  if (end - position_ > max_bytes) fail(fmt::format("string of more than {} bytes", max_bytes));
  std::string out;
  out.reserve(end - position_);
  for (char c = take(); c != '"'; c = take()) {
    if (static_cast<unsigned char>(c) < 0x20) fail("control character in a JSON string");
    if (c == '\\') {
      append_escape(out);
    } else {
      out += c;
    }
  }
  return out;
}

void JsonCursor::append_escape(std::string& out) {
  constexpr std::string_view kLetters = "\"\\/bfnrt";
  constexpr std::string_view kMeant = "\"\\/\b\f\n\r\t";
  const char c = take();
  if (const std::size_t i = kLetters.find(c); i != std::string_view::npos) {
    out += kMeant[i];
    return;
  }
  if (c != 'u') fail("unknown escape in a JSON string");
  std::uint32_t code = hex4();
  if (code >= 0xD800 && code < 0xDC00) {  // the first half of a surrogate pair
    if (take() != '\\' || take() != 'u') fail("half a surrogate pair");
    const std::uint32_t low = hex4();
    if (low < 0xDC00 || low >= 0xE000) fail("half a surrogate pair");
    code = 0x10000 + ((code - 0xD800) << 10) + (low - 0xDC00);
  } else if (code >= 0xDC00 && code < 0xE000) {
    fail("half a surrogate pair");
  }
  append_utf8(out, code);
}

std::uint32_t JsonCursor::hex4() {
  std::uint32_t value = 0;
  for (int i = 0; i < 4; ++i) {
    const char c = take();
    const char lower = static_cast<char>(c | 0x20);
    const bool letter = lower >= 'a' && lower <= 'f';
    if (!is_digit(c) && !letter) fail("expected four hexadecimal digits");
    value = value * 16 + static_cast<std::uint32_t>(letter ? lower - 'a' + 10 : c - '0');
  }
  return value;
}

std::uint64_t JsonCursor::unsigned_integer() {
  skip_space();
  const std::size_t end = std::min(text_.find_first_not_of("0123456789", position_), text_.size());
  const std::string_view digits = text_.substr(position_, end - position_);
  std::uint64_t value = 0;
  const auto result = std::from_chars(digits.data(), digits.data() + digits.size(), value);
  const bool leading_zero = digits.size() > 1 && digits.front() == '0';
  if (result.ec != std::errc() || leading_zero) fail("expected an integer from 0 to 2^64 - 1");
  position_ = end;
  if (peek() == '.' || (peek() | 0x20) == 'e') fail("expected an integer");
  return value;
}

void JsonCursor::skip_value(int depth) {
  if (depth > kMaxDepth) fail(fmt::format("JSON nested deeper than {}", kMaxDepth));
  skip_space();
  if (accept('{')) {
    skip_members('}', depth);
  } else if (accept('[')) {
    skip_members(']', depth);
  } else if (peek() == '"') {
    string(text_.size());
  } else {
    skip_scalar();
  }
}

void JsonCursor::skip_members(char end, int depth) {
  if (accept(end)) return;
  do {
    if (end == '}') {
      string(text_.size());
      expect(':');
    }
    skip_value(depth + 1);
  } while (next_element(end));
}

// A number or a word. Numbers are not checked digit by digit: the value is thrown away.
void JsonCursor::skip_scalar() {
  for (const std::string_view word : {"true", "false", "null"}) {
    if (text_.substr(position_).starts_with(word)) {
      position_ += word.size();
      return;
    }
  }
  const std::size_t begin = position_;
  const std::size_t end = text_.find_first_not_of("+-.0123456789eE", begin);
  position_ = end == std::string_view::npos ? text_.size() : end;
  if (position_ == begin) fail("expected a JSON value");
}

}  // namespace halfbyte
