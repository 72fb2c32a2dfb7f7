// Operators, with the meaning that they have in Python.
#include <algorithm>
#include <cmath>
#include <limits>

#include <fmt/format.h>

#include "tokenizer/jinja/interpreter.h"
#include "tokenizer/jinja/python_format.h"
#include "tokenizer/jinja/text.h"

namespace halfbyte::jinja {

namespace {

bool sequence(const Value& v) {
  return v.is(Kind::kList) || v.is(Kind::kTuple);
}

// The sign of a comparison that holds; equal operands never get here with != or in.
bool holds(Op op, int order) {
  switch (op) {
    case Op::kLt:
      return order < 0;
    case Op::kLe:
      return order <= 0;
    case Op::kGt:
      return order > 0;
    default:
      return order >= 0;
  }
}

template <typename T>
int order_of(const T& a, const T& b) {
  return a < b ? -1 : (b < a ? 1 : 0);
}

const char* symbol(Op op) {
  static constexpr const char* kSymbols[] = {
      "+", "-", "*", "/", "//", "%", "**", "==", "!=", "<", "<=", ">", ">=", "in", "not in"};
  return kSymbols[static_cast<std::size_t>(op)];
}

double floor_mod(double a, double b) {
  const double rest = std::fmod(a, b);
  if (rest == 0) return std::copysign(0.0, b);
  return (rest < 0) != (b < 0) ? rest + b : rest;
}

double floor_div(double a, double b) {
  const double whole = (a - floor_mod(a, b)) / b;
  if (whole == 0) return std::copysign(0.0, a / b);
  const double floored = std::floor(whole);
  return whole - floored > 0.5 ? floored + 1 : floored;
}

// False when the result does not fit 64 bits.
bool int_power(std::int64_t base, std::int64_t exponent, std::int64_t& out) {
  out = 1;
  while (exponent > 0) {
    if ((exponent & 1) != 0 && __builtin_mul_overflow(out, base, &out)) return false;
    exponent >>= 1;
    if (exponent > 0 && __builtin_mul_overflow(base, base, &base)) return false;
  }
  return true;
}

bool int_arithmetic(Op op, std::int64_t a, std::int64_t b, std::int64_t& out) {
  switch (op) {
    case Op::kAdd:
      return !__builtin_add_overflow(a, b, &out);
    case Op::kSub:
      return !__builtin_sub_overflow(a, b, &out);
    case Op::kMul:
      return !__builtin_mul_overflow(a, b, &out);
    case Op::kPow:
      return int_power(a, b, out);
    default:
      break;
  }
  if (b == -1) {  // the one quotient that can overflow
    if (op == Op::kMod) return out = 0, true;
    return !__builtin_sub_overflow(std::int64_t{0}, a, &out);
  }
  const std::int64_t rest = a % b;
  const bool adjust = rest != 0 && (rest < 0) != (b < 0);
  out = op == Op::kMod ? rest + (adjust ? b : 0) : a / b - (adjust ? 1 : 0);
  return true;
}

double real_arithmetic(Op op, double a, double b) {
  switch (op) {
    case Op::kAdd:
      return a + b;
    case Op::kSub:
      return a - b;
    case Op::kMul:
      return a * b;
    case Op::kDiv:
      return a / b;
    case Op::kFloorDiv:
      return floor_div(a, b);
    case Op::kMod:
      return floor_mod(a, b);
    default:
      return std::pow(a, b);
  }
}

Value number_arithmetic(Interpreter& in, Op op, const Value& a, const Value& b) {
  const bool divides = op == Op::kDiv || op == Op::kFloorDiv || op == Op::kMod;
  if (divides && b.as_double() == 0) in.fail("division by zero");
  const bool whole =
      a.integral() && b.integral() && op != Op::kDiv && (op != Op::kPow || b.as_int() >= 0);
  if (whole) {
    std::int64_t result = 0;
    if (int_arithmetic(op, a.as_int(), b.as_int(), result)) return Value::of(result);
    in.fail("an integer does not fit 64 bits");
  }
  const double x = a.as_double();
  const double y = b.as_double();
  if (op == Op::kPow && x == 0 && y < 0) in.fail("0.0 cannot be raised to a negative power");
  if (op == Op::kPow && x < 0 && std::floor(y) != y) in.fail("complex numbers are not supported");
  const double result = real_arithmetic(op, x, y);
  if (op == Op::kPow && std::isinf(result) && std::isfinite(x) && std::isfinite(y)) {
    in.fail("Numerical result out of range");
  }
  return Value::of(result);
}

Value add_text(Interpreter& in, const Value& a, const Value& b) {
  const bool markup = a.as<StringObject>().markup || b.as<StringObject>().markup;
  const auto part = [&](const Value& v) {
    return markup && !v.as<StringObject>().markup ? escape_markup(v.text()) : std::string(v.text());
  };
  in.check_text(a.text().size() + b.text().size());
  return in.text(part(a) + part(b), markup);
}

Value add_lists(Interpreter& in, const Value& a, const Value& b) {
  in.check_items(a.items().size() + b.items().size());
  std::vector<Value> items = a.items();
  items.insert(items.end(), b.items().begin(), b.items().end());
  return a.is(Kind::kList) ? in.list(std::move(items)) : in.tuple(std::move(items));
}

Value repeat(Interpreter& in, const Value& value, std::int64_t times) {
  const auto count = static_cast<std::uint64_t>(std::max<std::int64_t>(times, 0));
  const std::uint64_t size = value.string() ? value.text().size() : value.items().size();
  std::uint64_t total = 0;
  if (__builtin_mul_overflow(size, count, &total)) in.fail("a repetition is too long");
  if (value.string()) {
    in.check_text(total);
    std::string out;
    out.reserve(total);
    for (std::uint64_t i = 0; i < count && size > 0; ++i) out += value.text();
    return in.text(std::move(out), value.as<StringObject>().markup);
  }
  in.check_items(total);
  std::vector<Value> items;
  items.reserve(total);
  for (std::uint64_t i = 0; i < count && size > 0; ++i) {
    items.insert(items.end(), value.items().begin(), value.items().end());
  }
  return value.is(Kind::kList) ? in.list(std::move(items)) : in.tuple(std::move(items));
}

}  // namespace

bool Interpreter::equal(const Value& a, const Value& b) {
  if (a.number() && b.number()) {
    if (a.integral() && b.integral()) return a.as_int() == b.as_int();
    return a.as_double() == b.as_double();
  }
  if (a.kind != b.kind) return false;
  const Level level(*this);
  switch (a.kind) {
    case Kind::kUndefined:
    case Kind::kNone:
      return true;
    case Kind::kString:
      charge(std::min(a.text().size(), b.text().size()) / 256 + 1);
      return a.text() == b.text();
    case Kind::kList:
    case Kind::kTuple: {
      const auto& x = a.items();
      const auto& y = b.items();
      if (x.size() != y.size()) return false;
      charge(x.size());
      return std::equal(x.begin(), x.end(), y.begin(),
                        [&](const Value& p, const Value& q) { return equal(p, q); });
    }
    case Kind::kDict: {
      const auto& x = a.as<DictObject>();
      const auto& y = b.as<DictObject>();
      if (x.entries.size() != y.entries.size()) return false;
      charge(x.entries.size());
      return std::all_of(x.entries.begin(), x.entries.end(), [&](const auto& entry) {
        const Value* other = y.find(hash_key(entry.first));
        return other != nullptr && equal(entry.second, *other);
      });
    }
    case Kind::kRange: {
      const std::vector<Value> x = iterate(a);
      const std::vector<Value> y = iterate(b);
      return std::equal(x.begin(), x.end(), y.begin(), y.end(),
                        [](const Value& p, const Value& q) { return p.integer == q.integer; });
    }
    default:
      return a.object == b.object;
  }
}

bool Interpreter::compare(Op op, const Value& a, const Value& b) {
  if (op == Op::kEq || op == Op::kNe) return equal(a, b) == (op == Op::kEq);
  if (op == Op::kIn || op == Op::kNotIn) return contains(b, a) == (op == Op::kIn);
  if (a.undefined() || b.undefined()) attribute(a.undefined() ? a : b, "");
  if (a.number() && b.number()) {
    if (a.integral() && b.integral()) return holds(op, order_of(a.as_int(), b.as_int()));
    const double x = a.as_double();
    const double y = b.as_double();
    return !std::isnan(x) && !std::isnan(y) && holds(op, order_of(x, y));
  }
  if (a.string() && b.string()) {  // the order of UTF-8 bytes is that of the code points
    charge(std::min(a.text().size(), b.text().size()) / 256 + 1);
    return holds(op, order_of(a.text(), b.text()));
  }
  if (a.kind != b.kind || !sequence(a)) {
    fail(fmt::format("'{}' not supported between instances of '{}' and '{}'", symbol(op),
                     type_name(a), type_name(b)));
  }
  const Level level(*this);
  const auto& x = a.items();
  const auto& y = b.items();
  for (std::size_t i = 0; i < std::min(x.size(), y.size()); ++i) {
    charge(1);
    if (!equal(x[i], y[i])) return compare(op, x[i], y[i]);
  }
  return holds(op, order_of(x.size(), y.size()));
}

bool Interpreter::contains(const Value& container, const Value& member) {
  if (container.string()) {
    if (!member.string()) {
      fail(fmt::format("'in <string>' requires string as left operand, not {}", type_name(member)));
    }
    charge(container.text().size() / 256 + 1);
    return text_find(container.text(), member.text()) != std::string_view::npos;
  }
  if (container.is(Kind::kDict)) {
    return container.as<DictObject>().find(hash_key(member)) != nullptr;
  }
  if (!iterable(container)) {
    fail(fmt::format("argument of type '{}' is not iterable", type_name(container)));
  }
  for (const Value& item : iterate(container)) {
    charge(1);
    if (equal(item, member)) return true;
  }
  return false;
}

Value Interpreter::arithmetic(Op op, const Value& a, const Value& b) {
  if (a.string() && op == Op::kMod) return text(percent_format(*this, a.text(), b));
  if (a.undefined() || b.undefined()) return attribute(a.undefined() ? a : b, "");
  if (a.number() && b.number()) return number_arithmetic(*this, op, a, b);
  if (op == Op::kAdd && a.string() && b.string()) return add_text(*this, a, b);
  if (op == Op::kAdd && a.kind == b.kind && sequence(a)) return add_lists(*this, a, b);
  if (op == Op::kMul && (a.string() || sequence(a)) && b.integral()) {
    return repeat(*this, a, b.as_int());
  }
  if (op == Op::kMul && (b.string() || sequence(b)) && a.integral()) {
    return repeat(*this, b, a.as_int());
  }
  fail(fmt::format("unsupported operand type(s) for {}: '{}' and '{}'", symbol(op), type_name(a),
                   type_name(b)));
}

Value Interpreter::negate(const Value& value) {
  if (value.is(Kind::kFloat)) return Value::of(-value.real);
  if (value.undefined()) return attribute(value, "");
  if (!value.integral()) fail(fmt::format("bad operand type for unary -: '{}'", type_name(value)));
  return arithmetic(Op::kSub, Value::of(std::int64_t{0}), value);
}

std::string Interpreter::hash_key(const Value& value) {
  const Level level(*this);
  charge(1);
  switch (value.kind) {
    case Kind::kUndefined:
      return "u";
    case Kind::kNone:
      return "n";
    case Kind::kBool:
    case Kind::kInt:
      return "i" + std::to_string(value.as_int());
    case Kind::kFloat:
      if (value.real == std::floor(value.real) && std::abs(value.real) < 9e18) {
        return "i" + std::to_string(static_cast<std::int64_t>(value.real));
      }
      return "f" + float_repr(value.real);
    case Kind::kString:
      charge(value.text().size() / 256);
      return "s" + std::string(value.text());
    case Kind::kTuple: {
      std::string code = "t";
      for (const Value& item : value.items()) {
        const std::string part = hash_key(item);
        check_text(code.size() + part.size());
        code += std::to_string(part.size()) + ":" + part;
      }
      return code;
    }
    case Kind::kList:
    case Kind::kDict:
    case Kind::kView:
      fail(fmt::format("unhashable type: '{}'", type_name(value)));
    default:
      return fmt::format("o{}", static_cast<const void*>(value.object));
  }
}

}  // namespace halfbyte::jinja
