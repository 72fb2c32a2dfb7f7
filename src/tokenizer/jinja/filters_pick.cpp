// map, select, reject and their kin: filters that apply another filter or test to every item.
#include "tokenizer/jinja/builtin_args.h"

namespace halfbyte::jinja {

namespace {

Value apply_named(Interpreter& in, const Builtin* row, const Value& item, const Arguments& args,
                  std::size_t skip) {
  Arguments rest;
  rest.positional.assign(args.positional.begin() + static_cast<std::ptrdiff_t>(skip),
                         args.positional.end());
  rest.named = args.named;
  return in.call_builtin(*row, item, rest);
}

Value map_attribute(Interpreter& in, const Value& self, const Arguments& args) {
  const Value* attribute = nullptr;
  const Value* otherwise = nullptr;
  for (const auto& [name, value] : args.named) {
    if (name == "attribute") {
      attribute = &value;
    } else if (name == "default") {
      otherwise = &value;
    } else {
      in.fail(fmt::format("Unexpected keyword argument '{}'", name));
    }
  }
  if (attribute == nullptr) in.fail("map requires a filter argument");
  std::vector<Value> out;
  for (const Value& item : in.iterate(self)) {
    Value value = in.path(item, *attribute);
    const bool absent = value.undefined() && otherwise != nullptr && !otherwise->is(Kind::kNone);
    out.push_back(absent ? *otherwise : value);
  }
  return in.iterator(std::move(out));
}

Value filter_map(Interpreter& in, const Value& self, const Bound& bound) {
  const Arguments& args = bound.raw;
  if (!Interpreter::truthy(self)) return in.iterator({});
  if (args.positional.empty()) return map_attribute(in, self, args);
  const std::string name = in.str(args.positional[0]);
  const Builtin* row = find_filter(name);
  if (row == nullptr) in.fail(fmt::format("No filter named '{}'.", name));
  std::vector<Value> out;
  for (const Value& item : in.iterate(self)) {
    out.push_back(apply_named(in, row, item, args, 1));
  }
  return in.iterator(std::move(out));
}

// `by_attribute`: the first argument names the part of the item that is tested.
Value pick(Interpreter& in, const Value& self, const Arguments& args, bool by_attribute,
           bool wanted) {
  if (!Interpreter::truthy(self)) return in.iterator({});
  const std::size_t test_at = by_attribute ? 1 : 0;
  if (args.positional.size() < test_at) in.fail("Missing parameter for attribute name");
  const Builtin* row = nullptr;
  if (args.positional.size() > test_at) {
    const std::string name = in.str(args.positional[test_at]);
    row = find_test(name);
    if (row == nullptr) in.fail(fmt::format("No test named '{}'.", name));
  }
  std::vector<Value> out;
  for (const Value& item : in.iterate(self)) {
    const Value subject = by_attribute ? in.path(item, args.positional[0]) : item;
    const Value verdict =
        row == nullptr ? subject : apply_named(in, row, subject, args, test_at + 1);
    if (Interpreter::truthy(verdict) == wanted) out.push_back(item);
  }
  return in.iterator(std::move(out));
}

template <bool kByAttribute, bool kWanted>
Value filter_pick(Interpreter& in, const Value& self, const Bound& args) {
  return pick(in, self, args.raw, kByAttribute, kWanted);
}

constexpr Builtin kPickFilters[] = {
    {"map", "*", 0, filter_map},
    {"reject", "*", 0, filter_pick<false, false>},
    {"rejectattr", "*", 0, filter_pick<true, false>},
    {"select", "*", 0, filter_pick<false, true>},
    {"selectattr", "*", 0, filter_pick<true, true>},
};

}  // namespace

std::span<const Builtin> pick_filters() {
  return kPickFilters;
}

}  // namespace halfbyte::jinja
