// Text as Python sees it: UTF-8 bytes counted, cut and mapped by code point.
//
// A byte that is not valid UTF-8 counts as one code point and is kept as it is.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace halfbyte::jinja {

struct CodePoint {
  std::int32_t value;  // U+DC80.. for a stray byte
  std::size_t bytes;
};

// Of the code point that starts at `at` < text.size().
CodePoint code_point_at(std::string_view text, std::size_t at);
void append_code_point(std::string& out, std::int32_t value);
std::vector<std::int32_t> code_points(std::string_view text);

// Length in code points; byte offset of code point `index` (the size when past the end).
std::size_t text_length(std::string_view text);
std::size_t text_offset(std::string_view text, std::size_t index);
bool valid_utf8(std::string_view text);

// First `needle` at or after `from`, in linear time whatever the text (std::string's search is
// quadratic, and templates are hostile); npos if there is none.
std::size_t text_find(std::string_view text, std::string_view needle, std::size_t from = 0);
std::size_t text_rfind(std::string_view text, std::string_view needle);

// Classes of characters, as str.isspace(), isalpha(), ... define them.
bool is_space(std::int32_t c);
bool is_alpha(std::int32_t c);
bool is_digit(std::int32_t c);    // str.isdigit()
bool is_decimal(std::int32_t c);  // str.isdecimal()
bool is_numeric(std::int32_t c);
bool is_upper(std::int32_t c);
bool is_lower(std::int32_t c);
bool is_title(std::int32_t c);
bool is_word(std::int32_t c);       // \w of a regular expression
bool is_printable(std::int32_t c);  // what repr() shows unescaped

enum Side { kLeft = 1, kRight = 2, kBoth = 3 };
// Without `chars` (null), white space.
std::string_view text_strip(std::string_view text, const std::string_view* chars, Side side);

std::string text_lower(std::string_view text);
std::string text_upper(std::string_view text);
std::string text_title(std::string_view text);
std::string text_capitalize(std::string_view text);
std::string text_swapcase(std::string_view text);
std::string text_replace(std::string_view text, std::string_view old, std::string_view fresh,
                         std::int64_t count, std::size_t max_bytes);
// As str.splitlines().
std::vector<std::string_view> split_lines(std::string_view text, bool keep_ends);

}  // namespace halfbyte::jinja
