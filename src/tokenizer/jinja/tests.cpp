// Tests: what may stand after `is`.
#include <cmath>

#include "tokenizer/jinja/builtin_args.h"
#include "tokenizer/jinja/text.h"

namespace halfbyte::jinja {

namespace {

template <Kind kKind>
Value is_kind(Interpreter&, const Value& self, const Bound&) {
  return Value::of(self.is(kKind));
}

template <Op kOp>
Value compares(Interpreter& in, const Value& self, const Bound& args) {
  return Value::of(in.compare(kOp, self, args.at(0)));
}

template <bool kWanted>
Value is_boolean(Interpreter&, const Value& self, const Bound&) {
  return Value::of(self.is(Kind::kBool) && self.boolean == kWanted);
}

Value test_defined(Interpreter&, const Value& self, const Bound&) {
  return Value::of(!self.undefined());
}

Value test_number(Interpreter&, const Value& self, const Bound&) {
  return Value::of(self.number());
}

Value test_sequence(Interpreter&, const Value& self, const Bound&) {
  const Kind k = self.kind;
  return Value::of(k == Kind::kString || k == Kind::kList || k == Kind::kTuple ||
                   k == Kind::kDict || k == Kind::kRange || k == Kind::kUndefined);
}

Value test_iterable(Interpreter&, const Value& self, const Bound&) {
  return Value::of(Interpreter::iterable(self));
}

Value test_callable(Interpreter&, const Value& self, const Bound&) {
  const Kind k = self.kind;
  return Value::of(k == Kind::kBuiltin || k == Kind::kMacro || k == Kind::kUndefined ||
                   k == Kind::kJoiner || k == Kind::kLoop);
}

Value divisible(Interpreter& in, const Value& self, const Value& by, std::int64_t rest) {
  if (!self.number()) in.fail("a number is needed to test what it is divisible by");
  return Value::of(in.equal(in.arithmetic(Op::kMod, self, by), Value::of(rest)));
}

Value test_odd(Interpreter& in, const Value& self, const Bound&) {
  return divisible(in, self, Value::of(std::int64_t{2}), 1);
}

Value test_even(Interpreter& in, const Value& self, const Bound&) {
  return divisible(in, self, Value::of(std::int64_t{2}), 0);
}

Value test_divisibleby(Interpreter& in, const Value& self, const Bound& args) {
  return divisible(in, self, args.at(0), 0);
}

template <bool (*kWanted)(std::int32_t), bool (*kOther)(std::int32_t)>
Value all_cased(Interpreter& in, const Value& self, const Bound&) {
  bool some = false;
  for (const std::int32_t c : code_points(in.str(self))) {
    if (kOther(c) || is_title(c)) return Value::of(false);
    some = some || kWanted(c);
  }
  return Value::of(some);
}

Value test_sameas(Interpreter&, const Value& self, const Bound& args) {
  const Value& other = args.at(0);
  if (self.kind != other.kind) return Value::of(false);
  if (self.is(Kind::kNone)) return Value::of(true);
  if (self.integral()) return Value::of(self.as_int() == other.as_int());
  if (self.is(Kind::kFloat)) return Value::of(self.real == other.real);
  if (self.string()) return Value::of(self.text() == other.text());
  return Value::of(self.object == other.object);
}

Value test_escaped(Interpreter&, const Value& self, const Bound&) {
  return Value::of(self.string() && self.as<StringObject>().markup);
}

Value test_filter(Interpreter& in, const Value& self, const Bound&) {
  return Value::of(find_filter(in.str(self)) != nullptr);
}

Value test_test(Interpreter& in, const Value& self, const Bound&) {
  return Value::of(find_test(in.str(self)) != nullptr);
}

Value test_boolean(Interpreter&, const Value& self, const Bound&) {
  return Value::of(self.is(Kind::kBool));
}

constexpr Builtin kAllTests[] = {
    {"!=", "other", 1, compares<Op::kNe>},
    {"<", "other", 1, compares<Op::kLt>},
    {"<=", "other", 1, compares<Op::kLe>},
    {"==", "other", 1, compares<Op::kEq>},
    {">", "other", 1, compares<Op::kGt>},
    {">=", "other", 1, compares<Op::kGe>},
    {"boolean", "", 0, test_boolean},
    {"callable", "", 0, test_callable},
    {"defined", "", 0, test_defined},
    {"divisibleby", "num", 1, test_divisibleby},
    {"eq", "other", 1, compares<Op::kEq>},
    {"equalto", "other", 1, compares<Op::kEq>},
    {"escaped", "", 0, test_escaped},
    {"even", "", 0, test_even},
    {"false", "", 0, is_boolean<false>},
    {"filter", "", 0, test_filter},
    {"float", "", 0, is_kind<Kind::kFloat>},
    {"ge", "other", 1, compares<Op::kGe>},
    {"greaterthan", "other", 1, compares<Op::kGt>},
    {"gt", "other", 1, compares<Op::kGt>},
    {"in", "seq", 1, compares<Op::kIn>},
    {"integer", "", 0, is_kind<Kind::kInt>},
    {"iterable", "", 0, test_iterable},
    {"le", "other", 1, compares<Op::kLe>},
    {"lessthan", "other", 1, compares<Op::kLt>},
    {"lower", "", 0, all_cased<is_lower, is_upper>},
    {"lt", "other", 1, compares<Op::kLt>},
    {"mapping", "", 0, is_kind<Kind::kDict>},
    {"ne", "other", 1, compares<Op::kNe>},
    {"none", "", 0, is_kind<Kind::kNone>},
    {"number", "", 0, test_number},
    {"odd", "", 0, test_odd},
    {"sameas", "other", 1, test_sameas},
    {"sequence", "", 0, test_sequence},
    {"string", "", 0, is_kind<Kind::kString>},
    {"test", "", 0, test_test},
    {"true", "", 0, is_boolean<true>},
    {"undefined", "", 0, is_kind<Kind::kUndefined>},
    {"upper", "", 0, all_cased<is_upper, is_lower>},
};

}  // namespace

std::span<const Builtin> all_tests() {
  return kAllTests;
}

}  // namespace halfbyte::jinja
