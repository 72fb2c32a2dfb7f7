// The tables of filters, tests, methods and global functions: one row each.
#pragma once

#include <array>
#include <span>
#include <string_view>
#include <utility>
#include <vector>

#include "tokenizer/jinja/value.h"

namespace halfbyte::jinja {

class Interpreter;

// Arguments of a call.
struct Arguments {
  std::vector<Value> positional;
  std::vector<std::pair<std::string_view, Value>> named;
};

// Arguments sorted to the parameters of a row.
struct Bound {
  std::array<const Value*, 6> slots{};  // null: not given
  Arguments& raw;                       // all of them, for rows with "*"

  bool has(std::size_t i) const { return slots[i] != nullptr; }
  const Value& at(std::size_t i) const { return *slots[i]; }
  // Given, and not None.
  bool given(std::size_t i) const { return has(i) && !at(i).is(Kind::kNone); }
};

// `self` is the value that is filtered or tested, or the object of the method.
using BuiltinFn = Value (*)(Interpreter&, const Value& self, const Bound&);

struct Builtin {
  std::string_view name;
  std::string_view params;  // "width first blank"; "*": any, taken from Bound::raw
  std::uint8_t required;    // how many of them must be given
  BuiltinFn fn;
};

const Builtin* find_filter(std::string_view name);
const Builtin* find_test(std::string_view name);
const Builtin* find_global(std::string_view name);
// Of the type of `self`, or null.
const Builtin* find_method(const Value& self, std::string_view name);

// The tables, each in the file of its name.
std::span<const Builtin> text_filters();
std::span<const Builtin> list_filters();
std::span<const Builtin> pick_filters();
std::span<const Builtin> data_filters();
std::span<const Builtin> all_tests();
std::span<const Builtin> global_functions();
std::span<const Builtin> text_methods();
std::span<const Builtin> split_methods();
std::span<const Builtin> list_methods();
std::span<const Builtin> tuple_methods();
std::span<const Builtin> dict_methods();
std::span<const Builtin> number_methods();
std::span<const Builtin> loop_methods();
std::span<const Builtin> cycler_methods();

}  // namespace halfbyte::jinja
