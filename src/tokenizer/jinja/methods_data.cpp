// Methods of lists, tuples, dicts and numbers, and what `loop` and a cycler have. Rows whose
// parameters are "=" are plain values, read without a call.
#include <cmath>

#include "tokenizer/jinja/builtin_args.h"

namespace halfbyte::jinja {

namespace {

Value list_index(Interpreter& in, const Value& self, const Bound& args) {
  const auto& items = self.items();
  const auto size = static_cast<std::int64_t>(items.size());
  const auto clamped = [&](std::size_t i, std::int64_t otherwise) {
    const std::int64_t at = int_arg(in, args, i, otherwise);
    return std::clamp<std::int64_t>(at < 0 ? at + size : at, 0, size);
  };
  const std::int64_t end = clamped(2, size);
  for (std::int64_t i = clamped(1, 0); i < end; ++i) {
    in.charge(1);
    if (in.equal(items[static_cast<std::size_t>(i)], args.at(0))) return Value::of(i);
  }
  in.fail("the value is not in the list");
}

Value list_count(Interpreter& in, const Value& self, const Bound& args) {
  std::int64_t count = 0;
  for (const Value& item : self.items()) {
    in.charge(1);
    if (in.equal(item, args.at(0))) ++count;
  }
  return Value::of(count);
}

Value list_copy(Interpreter& in, const Value& self, const Bound&) {
  return in.list(self.items());
}

// The pairs that groupby makes: (grouper, list).
template <std::size_t kIndex>
Value group_part(Interpreter& in, const Value& self, const Bound&) {
  if (std::string_view(self.as<ListObject>().view) != "group") {
    return in.undefined("'tuple' object has no such attribute");
  }
  return self.items()[kIndex];
}

Value dict_get(Interpreter& in, const Value& self, const Bound& args) {
  const Value* found = self.as<DictObject>().find(in.hash_key(args.at(0)));
  if (found != nullptr) return *found;
  return args.has(1) ? args.at(1) : Value::none();
}

Value dict_items(Interpreter& in, const Value& self, const Bound&) {
  std::vector<Value> out;
  for (const auto& [key, value] : self.as<DictObject>().entries) {
    out.push_back(in.tuple({key, value}));
  }
  return in.view("dict_items", std::move(out));
}

template <bool kKeys>
Value dict_half(Interpreter& in, const Value& self, const Bound&) {
  std::vector<Value> out;
  for (const auto& [key, value] : self.as<DictObject>().entries) {
    out.push_back(kKeys ? key : value);
  }
  return in.view(kKeys ? "dict_keys" : "dict_values", std::move(out));
}

Value dict_copy(Interpreter& in, const Value& self, const Bound&) {
  DictObject& copy = in.dict();
  for (const auto& [key, value] : self.as<DictObject>().entries) in.dict_set(copy, key, value);
  return Value(Kind::kDict, &copy);
}

Value number_real(Interpreter&, const Value& self, const Bound&) {
  return self.is(Kind::kBool) ? Value::of(self.as_int()) : self;
}

Value number_is_integer(Interpreter& in, const Value& self, const Bound&) {
  // Only floats have it in Python 3.11.
  if (!self.is(Kind::kFloat)) in.fail("'int' object has no attribute 'is_integer'");
  return Value::of(std::isfinite(self.real) && std::floor(self.real) == self.real);
}

Value number_bit_length(Interpreter& in, const Value& self, const Bound&) {
  if (!self.integral()) in.fail("'float' object has no attribute 'bit_length'");
  const std::int64_t value = self.as_int();
  const auto magnitude =
      value < 0 ? 0 - static_cast<std::uint64_t>(value) : static_cast<std::uint64_t>(value);
  std::int64_t bits = 0;
  for (std::uint64_t rest = magnitude; rest != 0; rest >>= 1) ++bits;
  return Value::of(bits);
}

using LoopNumber = std::int64_t (*)(Interpreter&, LoopObject&);

template <LoopNumber kNumber>
Value loop_number(Interpreter& in, const Value& self, const Bound&) {
  return Value::of(kNumber(in, self.as<LoopObject>()));
}

std::int64_t loop_index(Interpreter&, LoopObject& loop) {
  return loop.index0 + 1;
}
std::int64_t loop_index0(Interpreter&, LoopObject& loop) {
  return loop.index0;
}
std::int64_t loop_depth(Interpreter&, LoopObject& loop) {
  return loop.depth0 + 1;
}
std::int64_t loop_depth0(Interpreter&, LoopObject& loop) {
  return loop.depth0;
}
std::int64_t loop_length(Interpreter& in, LoopObject& loop) {
  return in.loop_length(loop);
}
std::int64_t loop_revindex(Interpreter& in, LoopObject& loop) {
  return in.loop_length(loop) - loop.index0;
}
std::int64_t loop_revindex0(Interpreter& in, LoopObject& loop) {
  return in.loop_length(loop) - loop.index0 - 1;
}

Value loop_first(Interpreter&, const Value& self, const Bound&) {
  return Value::of(self.as<LoopObject>().index0 == 0);
}

Value loop_last(Interpreter& in, const Value& self, const Bound&) {
  return Value::of(!in.loop_peek(self.as<LoopObject>()));
}

Value loop_previtem(Interpreter& in, const Value& self, const Bound&) {
  auto& loop = self.as<LoopObject>();
  return loop.index0 == 0 ? in.undefined("there is no previous item") : loop.before;
}

Value loop_nextitem(Interpreter& in, const Value& self, const Bound&) {
  auto& loop = self.as<LoopObject>();
  return in.loop_peek(loop) ? loop.after : in.undefined("there is no next item");
}

Value loop_cycle(Interpreter&, const Value& self, const Bound& args) {
  const auto& choices = args.raw.positional;
  return choices[static_cast<std::size_t>(self.as<LoopObject>().index0) % choices.size()];
}

Value loop_changed(Interpreter& in, const Value& self, const Bound& args) {
  auto& loop = self.as<LoopObject>();
  const auto& now = args.raw.positional;
  bool same = loop.has_changed && now.size() == loop.changed.size();
  for (std::size_t i = 0; same && i < now.size(); ++i) same = in.equal(now[i], loop.changed[i]);
  loop.has_changed = true;
  loop.changed = now;
  return Value::of(!same);
}

Value cycler_current(Interpreter&, const Value& self, const Bound&) {
  const auto& cycler = self.as<CyclerObject>();
  return cycler.items[cycler.next];
}

Value cycler_next(Interpreter&, const Value& self, const Bound&) {
  auto& cycler = self.as<CyclerObject>();
  const Value value = cycler.items[cycler.next];
  cycler.next = (cycler.next + 1) % cycler.items.size();
  return value;
}

Value cycler_reset(Interpreter&, const Value& self, const Bound&) {
  self.as<CyclerObject>().next = 0;
  return Value::none();
}

constexpr Builtin kListRows[] = {
    {"copy", "", 0, list_copy},
    {"count", "value", 1, list_count},
    {"index", "value start stop", 1, list_index},
};
constexpr Builtin kTupleRows[] = {
    {"count", "value", 1, list_count},
    {"grouper", "=", 0, group_part<0>},
    {"index", "value start stop", 1, list_index},
    {"list", "=", 0, group_part<1>},
};
constexpr Builtin kDictRows[] = {
    {"copy", "", 0, dict_copy},          {"get", "key default", 1, dict_get},
    {"items", "", 0, dict_items},        {"keys", "", 0, dict_half<true>},
    {"values", "", 0, dict_half<false>},
};
constexpr Builtin kNumberRows[] = {
    {"bit_length", "", 0, number_bit_length},
    {"is_integer", "", 0, number_is_integer},
    {"real", "=", 0, number_real},
};
constexpr Builtin kLoopRows[] = {
    {"changed", "*", 0, loop_changed},
    {"cycle", "*", 1, loop_cycle},
    {"depth", "=", 0, loop_number<loop_depth>},
    {"depth0", "=", 0, loop_number<loop_depth0>},
    {"first", "=", 0, loop_first},
    {"index", "=", 0, loop_number<loop_index>},
    {"index0", "=", 0, loop_number<loop_index0>},
    {"last", "=", 0, loop_last},
    {"length", "=", 0, loop_number<loop_length>},
    {"nextitem", "=", 0, loop_nextitem},
    {"previtem", "=", 0, loop_previtem},
    {"revindex", "=", 0, loop_number<loop_revindex>},
    {"revindex0", "=", 0, loop_number<loop_revindex0>},
};
constexpr Builtin kCyclerRows[] = {
    {"current", "=", 0, cycler_current},
    {"next", "", 0, cycler_next},
    {"reset", "", 0, cycler_reset},
};

}  // namespace

std::span<const Builtin> list_methods() {
  return kListRows;
}
std::span<const Builtin> tuple_methods() {
  return kTupleRows;
}
std::span<const Builtin> dict_methods() {
  return kDictRows;
}
std::span<const Builtin> number_methods() {
  return kNumberRows;
}
std::span<const Builtin> loop_methods() {
  return kLoopRows;
}
std::span<const Builtin> cycler_methods() {
  return kCyclerRows;
}

}  // namespace halfbyte::jinja
