// Text of values as Python writes it: repr(), format specs, % formatting, json.dumps.
#pragma once

#include <string>
#include <string_view>

#include "tokenizer/jinja/builtins.h"
#include "tokenizer/jinja/value.h"

namespace halfbyte::jinja {

// The shortest digits that read back as `value`, in Python's notation (1e+16, 0.0001, nan).
std::string float_repr(double value);
// `digits` after the point or significant, as the printf conversion `kind` (e, f, g, E, F, G).
std::string float_fixed(double value, char kind, int digits, bool alternate = false);
// repr() of a str.
std::string text_repr(std::string_view text);
// &, <, >, ' and " as entities, the way of markupsafe.
std::string escape_markup(std::string_view text);

// format(value, spec).
std::string format_value(Interpreter& in, const Value& value, std::string_view spec);
// str.format() with `args`.
std::string format_text(Interpreter& in, std::string_view format, const Arguments& args);
// format % args.
std::string percent_format(Interpreter& in, std::string_view format, const Value& args);

struct JsonStyle {
  bool ascii = false;
  bool sort_keys = false;
  bool pretty = false;  // with newlines
  std::string indent;
  std::string item_separator = ", ";
  std::string key_separator = ": ";
};
// json.dumps(value, ...).
std::string json_text(Interpreter& in, const Value& value, const JsonStyle& style);

}  // namespace halfbyte::jinja
