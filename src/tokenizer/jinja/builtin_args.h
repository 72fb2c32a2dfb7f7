// How the builtins read their arguments.
#pragma once

#include <string>

#include <fmt/format.h>

#include "tokenizer/jinja/interpreter.h"

namespace halfbyte::jinja {

// The argument as an integer, `otherwise` where it is not given.
inline std::int64_t int_arg(Interpreter& in, const Bound& args, std::size_t i,
                            std::int64_t otherwise) {
  if (!args.has(i)) return otherwise;
  if (!args.at(i).integral()) {
    in.fail(fmt::format("'{}' object cannot be interpreted as an integer", type_name(args.at(i))));
  }
  return args.at(i).as_int();
}

inline bool bool_arg(const Bound& args, std::size_t i, bool otherwise) {
  return args.has(i) ? Interpreter::truthy(args.at(i)) : otherwise;
}

// The argument, which must be a string.
inline std::string_view text_arg(Interpreter& in, const Bound& args, std::size_t i) {
  if (!args.at(i).string()) {
    in.fail(fmt::format("must be str, not {}", type_name(args.at(i))));
  }
  return args.at(i).text();
}

// What a lookup of the tables does.
inline const Builtin* find_row(std::span<const Builtin> rows, std::string_view name) {
  for (const Builtin& row : rows) {
    if (row.name == name) return &row;
  }
  return nullptr;
}

}  // namespace halfbyte::jinja
