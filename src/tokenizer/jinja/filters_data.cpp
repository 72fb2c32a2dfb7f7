// Filters on single values: numbers, defaults, attributes, JSON.
#include <charconv>
#include <cmath>
#include <cstdlib>

#include "tokenizer/jinja/builtin_args.h"
#include "tokenizer/jinja/python_format.h"
#include "tokenizer/jinja/text.h"

namespace halfbyte::jinja {

namespace {

// Python's int(text, base) without its prefixes; false if it is no number.
bool parse_int(std::string_view text, std::int64_t base, std::int64_t& out) {
  std::string digits;
  for (const char c : text_strip(text, nullptr, kBoth)) {
    if (c != '_') digits += c;
  }
  if (digits.starts_with('+')) digits.erase(0, 1);
  if (digits.empty() || base < 2 || base > 36) return false;
  const auto [end, error] =
      std::from_chars(digits.data(), digits.data() + digits.size(), out, static_cast<int>(base));
  return error == std::errc() && end == digits.data() + digits.size();
}

bool parse_float(std::string_view text, double& out) {
  std::string number(text_strip(text, nullptr, kBoth));
  if (number.empty() || number.find_first_of("xXpP(") != std::string::npos) return false;
  char* end = nullptr;
  out = std::strtod(number.c_str(), &end);
  return end == number.c_str() + number.size();
}

bool whole(double value, std::int64_t& out) {
  if (!(std::abs(value) < 9.2e18)) return false;
  out = static_cast<std::int64_t>(value);
  return true;
}

Value filter_int(Interpreter& in, const Value& self, const Bound& args) {
  const Value otherwise = args.has(0) ? args.at(0) : Value::of(std::int64_t{0});
  std::int64_t number = 0;
  double real = 0;
  if (self.undefined()) in.attribute(self, "");
  if (self.integral()) return Value::of(self.as_int());
  if (self.is(Kind::kFloat) && whole(self.real, number)) return Value::of(number);
  if (!self.string()) return otherwise;
  if (parse_int(self.text(), int_arg(in, args, 1, 10), number)) return Value::of(number);
  if (parse_float(self.text(), real) && whole(real, number)) return Value::of(number);
  return otherwise;
}

Value filter_float(Interpreter& in, const Value& self, const Bound& args) {
  double real = 0;
  if (self.undefined()) in.attribute(self, "");
  if (self.number()) return Value::of(self.as_double());
  if (self.string() && parse_float(self.text(), real)) return Value::of(real);
  return args.has(0) ? args.at(0) : Value::of(0.0);
}

Value filter_abs(Interpreter& in, const Value& self, const Bound&) {
  if (!self.number()) in.fail("bad operand type for abs()");
  if (self.is(Kind::kFloat)) return Value::of(std::abs(self.real));
  return self.as_int() < 0 ? in.negate(self) : Value::of(self.as_int());
}

// As Python rounds: by the decimal digits of the exact value, ties to even.
double rounded(double value, std::int64_t precision) {
  if (!std::isfinite(value) || precision > 300) return value;
  if (precision < -300) return std::copysign(0.0, value);
  if (precision >= 0) {
    return std::strtod(float_fixed(value, 'f', static_cast<int>(precision)).c_str(), nullptr);
  }
  const double unit = std::pow(10.0, static_cast<double>(-precision));
  return std::nearbyint(value / unit) * unit;
}

Value filter_round(Interpreter& in, const Value& self, const Bound& args) {
  if (!self.number()) in.fail("round needs a number");
  const std::int64_t precision = int_arg(in, args, 0, 0);
  const std::string method = args.has(1) ? in.str(args.at(1)) : "common";
  if (method != "common" && method != "ceil" && method != "floor") {
    in.fail("method must be common, ceil or floor");
  }
  if (method == "common") {
    if (!self.integral()) return Value::of(rounded(self.real, precision));
    if (precision >= 0) return Value::of(self.as_int());
    return Value::of(static_cast<std::int64_t>(rounded(self.as_double(), precision)));
  }
  const double unit = std::pow(10.0, static_cast<double>(precision));
  const double scaled = self.as_double() * unit;
  if (!std::isfinite(scaled)) in.fail("cannot round an infinite number");
  return Value::of((method == "ceil" ? std::ceil(scaled) : std::floor(scaled)) / unit);
}

Value filter_default(Interpreter& in, const Value& self, const Bound& args) {
  if (self.undefined() || (bool_arg(args, 1, false) && !Interpreter::truthy(self))) {
    return args.has(0) ? args.at(0) : in.text("");
  }
  return self;
}

Value filter_items(Interpreter& in, const Value& self, const Bound&) {
  if (self.undefined()) return in.iterator({});
  if (!self.is(Kind::kDict)) in.fail("Can only get item pairs from a mapping.");
  std::vector<Value> pairs;
  for (const auto& [key, value] : self.as<DictObject>().entries) {
    pairs.push_back(in.tuple({key, value}));
  }
  return in.iterator(std::move(pairs));
}

Value filter_attr(Interpreter& in, const Value& self, const Bound& args) {
  // Attributes only: an item of a dict is not one.
  const std::string_view name = text_arg(in, args, 0);
  if (self.is(Kind::kDict) && find_method(self, name) == nullptr) {
    return in.undefined("no such attribute");
  }
  return in.attribute(self, name);
}

Value filter_pprint(Interpreter& in, const Value& self, const Bound&) {
  return in.text(in.repr(self));
}

Value filter_random(Interpreter& in, const Value&, const Bound&) {
  in.fail("the filter 'random' is not supported: the same input must give the same text");
}

Value filter_xmlattr(Interpreter& in, const Value& self, const Bound& args) {
  if (!self.is(Kind::kDict)) in.fail("xmlattr needs a mapping");
  std::string out;
  for (const auto& [key, value] : self.as<DictObject>().entries) {
    if (value.undefined() || value.is(Kind::kNone)) continue;
    const std::string name = in.str(key);
    if (name.find_first_of(" \t\n\r\f\v/>=") != std::string::npos) {
      in.fail("Invalid character in attribute name");
    }
    if (!out.empty()) out += ' ';
    out += escape_markup(name) + "=\"" + escape_markup(in.str(value)) + "\"";
    in.check_text(out.size());
  }
  return in.text(bool_arg(args, 0, true) && !out.empty() ? " " + out : out);
}

Value filter_tojson(Interpreter& in, const Value& self, const Bound& args) {
  JsonStyle style;
  style.ascii = bool_arg(args, 0, false);
  style.sort_keys = bool_arg(args, 3, false);
  if (args.given(1)) {
    style.pretty = true;
    style.item_separator = ",";
    if (args.at(1).string()) {
      style.indent = args.at(1).text();
    } else {
      const std::int64_t width = std::max<std::int64_t>(int_arg(in, args, 1, 0), 0);
      in.check_text(static_cast<std::uint64_t>(width));
      style.indent.assign(static_cast<std::size_t>(width), ' ');
    }
  }
  if (args.given(2)) {
    const std::vector<Value> both = in.iterate(args.at(2));
    if (both.size() != 2 || !both[0].string() || !both[1].string()) {
      in.fail("separators must be two strings");
    }
    style.item_separator = both[0].text();
    style.key_separator = both[1].text();
  }
  return in.text(json_text(in, self, style));
}

constexpr Builtin kDataFilters[] = {
    {"abs", "", 0, filter_abs},
    {"attr", "name", 1, filter_attr},
    {"d", "default_value boolean", 0, filter_default},
    {"default", "default_value boolean", 0, filter_default},
    {"float", "default", 0, filter_float},
    {"int", "default base", 0, filter_int},
    {"items", "", 0, filter_items},
    {"pprint", "", 0, filter_pprint},
    {"random", "", 0, filter_random},
    {"round", "precision method", 0, filter_round},
    {"tojson", "ensure_ascii indent separators sort_keys", 0, filter_tojson},
    {"xmlattr", "autospace", 0, filter_xmlattr},
};

}  // namespace

std::span<const Builtin> data_filters() {
  return kDataFilters;
}

}  // namespace halfbyte::jinja
