// Number and string literals of the template language.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace halfbyte::jinja {

struct NumberLiteral {
  bool floating = false;
  std::int64_t integer = 0;
  double real = 0;
  std::size_t length = 0;  // bytes of the literal
};

// The number at the start of `text`; false if there is none or it does not fit. `fraction`: a
// point or exponent may follow (not so after a dot, as in `pair.0.1`).
bool scan_number(std::string_view text, bool fraction, NumberLiteral& out);

// Decodes the backslash escapes of Python; false on a bad one.
bool unescape(std::string_view raw, std::string& out);

}  // namespace halfbyte::jinja
