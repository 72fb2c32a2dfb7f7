// Global functions, and the look-up in all tables of builtins.
#include <ctime>

#include "tokenizer/jinja/builtin_args.h"

namespace halfbyte::jinja {

namespace {

// As the sandbox of Jinja2 has it.
constexpr std::int64_t kMaxRange = 100'000;

Value function_range(Interpreter& in, const Value&, const Bound& args) {
  RangeObject& range = in.heap().make<RangeObject>();
  const auto checked = [&](std::size_t i, std::int64_t otherwise) {
    const std::int64_t value = int_arg(in, args, i, otherwise);
    if (value > INT32_MAX || value < INT32_MIN) in.fail("range() is too large");
    return value;
  };
  range.start = args.has(1) ? checked(0, 0) : 0;
  range.stop = checked(args.has(1) ? 1 : 0, 0);
  range.step = checked(2, 1);
  if (range.step == 0) in.fail("range() arg 3 must not be zero");
  if (range.size() > kMaxRange) in.fail("Range too big. The sandbox blocks ranges this large.");
  return Value(Kind::kRange, &range);
}

// Entries of dict() and namespace(): one mapping or list of pairs, then keywords.
DictObject& entries_of(Interpreter& in, const Bound& args) {
  DictObject& dict = in.dict();
  if (args.raw.positional.size() > 1) in.fail("dict expected at most 1 argument");
  if (!args.raw.positional.empty()) {
    const Value& source = args.raw.positional[0];
    if (source.is(Kind::kDict)) {
      for (const auto& [key, value] : source.as<DictObject>().entries) {
        in.dict_set(dict, key, value);
      }
    } else {
      for (const Value& pair : in.iterate(source)) {
        const std::vector<Value> both = in.iterate(pair);
        if (both.size() != 2) in.fail("dict needs pairs");
        in.dict_set(dict, both[0], both[1]);
      }
    }
  }
  for (const auto& [name, value] : args.raw.named) in.dict_set(dict, name, value);
  return dict;
}

Value function_dict(Interpreter& in, const Value&, const Bound& args) {
  return Value(Kind::kDict, &entries_of(in, args));
}

Value function_namespace(Interpreter& in, const Value&, const Bound& args) {
  DictObject& dict = entries_of(in, args);
  for (const auto& entry : dict.entries) {
    if (entry.first.string() && entry.first.text().starts_with('_')) {
      in.fail("a namespace takes no name with an underscore");
    }
  }
  return Value(Kind::kNamespace, &dict);
}

Value function_cycler(Interpreter& in, const Value&, const Bound& args) {
  CyclerObject& cycler = in.heap().make<CyclerObject>();
  cycler.items = args.raw.positional;
  return Value(Kind::kCycler, &cycler);
}

Value function_joiner(Interpreter& in, const Value&, const Bound& args) {
  JoinerObject& joiner = in.heap().make<JoinerObject>();
  joiner.separator = args.has(0) ? args.at(0) : in.text(", ");
  return Value(Kind::kJoiner, &joiner);
}

Value function_raise(Interpreter& in, const Value&, const Bound& args) {
  in.raise(in.str(args.at(0)));
}

Value function_strftime(Interpreter& in, const Value&, const Bound& args) {
  // The blank keeps an empty result apart from one that does not fit.
  const std::string format = std::string(text_arg(in, args, 0)) + " ";
  if (format.size() > 1000) in.fail("the format of strftime_now is too long");
  char buffer[8192];
  const std::size_t size = std::strftime(buffer, sizeof buffer, format.c_str(), &in.now());
  if (size == 0) in.fail("bad format of strftime_now");
  return in.text(std::string(buffer, size - 1));
}

constexpr Builtin kGlobals[] = {
    {"cycler", "*", 1, function_cycler},
    {"dict", "*", 0, function_dict},
    {"joiner", "sep", 0, function_joiner},
    {"namespace", "*", 0, function_namespace},
    {"raise_exception", "message", 1, function_raise},
    {"range", "start stop step", 1, function_range},
    {"strftime_now", "format", 1, function_strftime},
};

struct MethodTable {
  Kind kind;
  std::span<const Builtin> (*rows)();
};

constexpr MethodTable kMethodTables[] = {
    {Kind::kString, text_methods},   {Kind::kString, split_methods}, {Kind::kList, list_methods},
    {Kind::kTuple, tuple_methods},   {Kind::kDict, dict_methods},    {Kind::kBool, number_methods},
    {Kind::kInt, number_methods},    {Kind::kFloat, number_methods}, {Kind::kLoop, loop_methods},
    {Kind::kCycler, cycler_methods},
};

}  // namespace

const Builtin* find_filter(std::string_view name) {
  for (const auto table : {text_filters, list_filters, pick_filters, data_filters}) {
    if (const Builtin* row = find_row(table(), name)) return row;
  }
  return nullptr;
}

const Builtin* find_test(std::string_view name) {
  return find_row(all_tests(), name);
}

const Builtin* find_global(std::string_view name) {
  return find_row(kGlobals, name);
}

const Builtin* find_method(const Value& self, std::string_view name) {
  for (const MethodTable& table : kMethodTables) {
    if (table.kind != self.kind) continue;
    if (const Builtin* row = find_row(table.rows(), name)) return row;
  }
  return nullptr;
}

std::span<const Builtin> global_functions() {
  return kGlobals;
}

}  // namespace halfbyte::jinja
