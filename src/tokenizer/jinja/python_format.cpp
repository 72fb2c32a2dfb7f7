// Format specs, str.format() and % formatting.
#include "tokenizer/jinja/python_format.h"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <cstdio>

#include <fmt/format.h>

#include "tokenizer/jinja/interpreter.h"
#include "tokenizer/jinja/text.h"

namespace halfbyte::jinja {

namespace {

// Python allows more, no template needs it.
constexpr std::int64_t kMaxPrecision = 300;

// [[fill]align][sign][#][0][width][,][.precision][type]
struct Spec {
  std::string fill = " ";
  char align = 0;
  char sign = '-';
  bool alternate = false;
  char group = 0;
  std::int64_t width = 0;
  std::int64_t precision = -1;
  char type = 0;
};

std::int64_t digits_at(Interpreter& in, std::string_view text, std::size_t& at) {
  std::int64_t value = 0;
  while (at < text.size() && text[at] >= '0' && text[at] <= '9') {
    value = value * 10 + (text[at++] - '0');
    if (value > 1'000'000'000) in.fail("too many decimal digits in a format string");
  }
  return value;
}

bool is_align(char c) {
  return c == '<' || c == '>' || c == '^' || c == '=';
}

Spec parse_spec(Interpreter& in, std::string_view text) {
  Spec spec;
  std::size_t at = 0;
  const auto next_is = [&](std::string_view set) {
    return at < text.size() && set.find(text[at]) != std::string_view::npos;
  };
  if (!text.empty()) {
    const std::size_t first = code_point_at(text, 0).bytes;
    if (first < text.size() && is_align(text[first])) {
      spec.fill = text.substr(0, first);
      at = first;
    }
  }
  if (next_is("<>^=")) spec.align = text[at++];
  if (next_is("+- ")) spec.sign = text[at++];
  if (next_is("#")) spec.alternate = (++at, true);
  if (next_is("0")) {
    ++at;
    if (spec.align == 0) {
      spec.fill = "0";
      spec.align = '=';
    }
  }
  spec.width = digits_at(in, text, at);
  if (next_is(",_")) spec.group = text[at++];
  if (next_is(".")) {
    const std::size_t start = ++at;
    spec.precision = digits_at(in, text, at);
    if (at == start) in.fail("Format specifier missing precision");
  }
  if (at < text.size()) spec.type = text[at++];
  if (at != text.size()) in.fail("Invalid format specifier");
  return spec;
}

std::string grouped(std::string digits, char group, std::size_t every) {
  for (std::size_t at = digits.size(); group != 0 && at > every;) {
    at -= every;
    digits.insert(at, 1, group);
  }
  return digits;
}

// `body` after `sign` in the width of `spec`.
std::string padded(Interpreter& in, const std::string& sign, const std::string& body,
                   const Spec& spec, char usual) {
  const char align = spec.align != 0 ? spec.align : usual;
  const auto have = static_cast<std::int64_t>(text_length(sign) + text_length(body));
  const auto pad = static_cast<std::uint64_t>(std::max<std::int64_t>(spec.width - have, 0));
  in.check_text(pad * spec.fill.size() + sign.size() + body.size());
  const std::uint64_t left = align == '<' ? 0 : align == '^' ? pad / 2 : pad;
  std::string before;
  std::string after;
  for (std::uint64_t i = 0; i < left; ++i) before += spec.fill;
  for (std::uint64_t i = left; i < pad; ++i) after += spec.fill;
  if (align == '=') return sign + before + body;
  return before + sign + body + after;
}

std::string sign_text(bool negative, char sign) {
  if (negative) return "-";
  return sign == '-' ? "" : std::string(1, sign);
}

std::string int_digits(std::uint64_t magnitude, char type) {
  switch (type) {
    case 'b':
      return fmt::format("{:b}", magnitude);
    case 'o':
      return fmt::format("{:o}", magnitude);
    case 'x':
      return fmt::format("{:x}", magnitude);
    case 'X':
      return fmt::format("{:X}", magnitude);
    default:
      return std::to_string(magnitude);
  }
}

std::string format_int(Interpreter& in, std::int64_t value, const Spec& spec) {
  if (spec.precision >= 0) in.fail("Precision not allowed in integer format specifier");
  const std::uint64_t magnitude =
      value < 0 ? 0 - static_cast<std::uint64_t>(value) : static_cast<std::uint64_t>(value);
  std::string sign = sign_text(value < 0, spec.sign);
  if (spec.type == 'c') {
    std::string letter;
    if (value < 0 || value > 0x10ffff) in.fail("%c arg not in range(0x110000)");
    append_code_point(letter, static_cast<std::int32_t>(value));
    return padded(in, "", letter, spec, '<');
  }
  const bool radix = spec.type == 'b' || spec.type == 'o' || spec.type == 'x' || spec.type == 'X';
  if (spec.alternate && radix) sign += std::string("0") + spec.type;
  return padded(in, sign, grouped(int_digits(magnitude, spec.type), spec.group, radix ? 4 : 3),
                spec, '>');
}

std::string format_real(Interpreter& in, double value, const Spec& spec) {
  if (spec.precision > kMaxPrecision) in.fail("precision too large");
  const double magnitude = std::abs(value);
  std::string body;
  if (spec.type == 0 && spec.precision < 0) {
    body = float_repr(magnitude);
  } else {
    const char kind = spec.type == 0 ? 'g' : spec.type == '%' ? 'f' : spec.type;
    const int digits = spec.precision < 0 ? 6 : static_cast<int>(spec.precision);
    body =
        float_fixed(spec.type == '%' ? magnitude * 100 : magnitude, kind, digits, spec.alternate);
    if (spec.type == '%') body += '%';
    const bool plain = body.find_first_not_of("0123456789") == std::string::npos;
    if (spec.type == 0 && plain) body += ".0";
  }
  const std::size_t whole = std::min(body.find_first_not_of("0123456789"), body.size());
  body = grouped(body.substr(0, whole), spec.group, 3) + body.substr(whole);
  return padded(in, sign_text(std::signbit(value) && !std::isnan(value), spec.sign), body, spec,
                '>');
}

std::string format_string(Interpreter& in, std::string_view text, const Spec& spec) {
  if (spec.align == '=' || spec.sign != '-' || spec.group != 0) {
    in.fail("format specifier not allowed for a string");
  }
  if (spec.precision >= 0) {
    text = text.substr(0, text_offset(text, static_cast<std::size_t>(spec.precision)));
  }
  return padded(in, "", std::string(text), spec, '<');
}

}  // namespace

std::string float_fixed(double value, char kind, int digits, bool alternate) {
  if (!std::isfinite(value)) {
    const bool capital = kind >= 'A' && kind <= 'Z';
    const char* name = std::isnan(value) ? (capital ? "NAN" : "nan") : (capital ? "INF" : "inf");
    return std::string(value < 0 ? "-" : "") + name;
  }
  const char format[] = {'%',
                         alternate ? '#' : '.',
                         alternate ? '.' : '*',
                         alternate ? '*' : kind,
                         alternate ? kind : '\0',
                         '\0'};
  char buffer[800];  // 309 digits before the point and 300 behind it
  const int size = std::snprintf(buffer, sizeof buffer, format, digits, value);
  return std::string(buffer, static_cast<std::size_t>(std::max(size, 0)));
}

std::string format_value(Interpreter& in, const Value& value, std::string_view text) {
  if (text.empty()) return in.str(value);
  const Spec spec = parse_spec(in, text);
  static constexpr std::string_view kIntTypes = "bcdnoxX";
  static constexpr std::string_view kRealTypes = "eEfFgGn%";
  const auto in_set = [&](std::string_view set) {
    return spec.type == 0 || set.find(spec.type) != std::string_view::npos;
  };
  if (value.is(Kind::kInt) || (value.is(Kind::kBool) && spec.type != 0)) {
    if (in_set(kIntTypes)) return format_int(in, value.as_int(), spec);
    if (in_set(kRealTypes)) return format_real(in, value.as_double(), spec);
  }
  if (value.is(Kind::kFloat) && in_set(kRealTypes)) return format_real(in, value.real, spec);
  const bool textual = value.string() || value.is(Kind::kBool);
  if (textual && in_set("s")) return format_string(in, in.str(value), spec);
  in.fail(fmt::format("unsupported format string for '{}'", type_name(value)));
}

namespace {

// One {field} of str.format.
class TextFormatter {
 public:
  TextFormatter(Interpreter& in, const Arguments& args) : in_(in), args_(args) {}

  std::string run(std::string_view format, int depth) {
    if (depth > 2) in_.fail("Max string recursion exceeded");
    std::string out;
    for (std::size_t at = 0; at < format.size();) {
      const char c = format[at];
      const bool twice = at + 1 < format.size() && format[at + 1] == c;
      if ((c == '{' || c == '}') && twice) {
        out += c;
        at += 2;
      } else if (c == '}') {
        in_.fail("Single '}' encountered in format string");
      } else if (c == '{') {
        out += field(format, ++at, depth);
      } else {
        out += c;
        ++at;
      }
      in_.check_text(out.size());
    }
    in_.charge(out.size() / 64 + 1);
    return out;
  }

 private:
  // From after the '{'; leaves `at` after the '}'.
  std::string field(std::string_view format, std::size_t& at, int depth) {
    const std::size_t start = at;
    for (int open = 1; open > 0; ++at) {
      if (at >= format.size()) in_.fail("expected '}' before end of string");
      if (format[at] == '{') ++open;
      if (format[at] == '}') --open;
    }
    const std::string_view body = format.substr(start, at - 1 - start);
    const std::size_t name_end = std::min(body.find_first_of("!:"), body.size());
    std::string_view rest = body.substr(name_end);
    Value value = resolve(body.substr(0, name_end));
    if (rest.starts_with('!')) {
      if (rest.size() < 2 || (rest[1] != 's' && rest[1] != 'r')) in_.fail("Unknown conversion");
      value = in_.text(rest[1] == 'r' ? in_.repr(value) : in_.str(value));
      rest.remove_prefix(2);
      if (!rest.empty() && rest[0] != ':') in_.fail("expected ':' after conversion specifier");
    }
    const std::string spec = rest.empty() ? "" : run(rest.substr(1), depth + 1);
    return format_value(in_, value, spec);
  }

  Value resolve(std::string_view name) {
    const std::size_t first_end = std::min(name.find_first_of(".["), name.size());
    Value value = first(name.substr(0, first_end));
    name.remove_prefix(first_end);
    while (!name.empty()) {
      if (name[0] == '.') {
        const std::size_t end = std::min(name.find_first_of(".[", 1), name.size());
        value = in_.attribute(value, name.substr(1, end - 1));
        name.remove_prefix(end);
        continue;
      }
      const std::size_t end = name.find(']');
      if (name[0] != '[' || end == std::string_view::npos) in_.fail("bad format field");
      value = in_.item(value, key(name.substr(1, end - 1)));
      name.remove_prefix(end + 1);
    }
    return value;
  }

  Value key(std::string_view name) {
    std::int64_t index = 0;
    const auto [end, error] = std::from_chars(name.data(), name.data() + name.size(), index);
    if (error == std::errc() && end == name.data() + name.size()) return Value::of(index);
    return in_.text(std::string(name));
  }

  Value first(std::string_view name) {
    if (name.empty()) return positional(next_++);
    const Value index = key(name);
    if (index.is(Kind::kInt)) return positional(static_cast<std::size_t>(index.integer));
    for (const auto& [given, value] : args_.named) {
      if (given == name) return value;
    }
    in_.fail(fmt::format("format() has no argument '{}'", name));
  }

  Value positional(std::size_t index) {
    if (index >= args_.positional.size()) {
      in_.fail("Replacement index out of range for positional args tuple");
    }
    return args_.positional[index];
  }

  Interpreter& in_;
  const Arguments& args_;
  std::size_t next_ = 0;
};

std::string percent_number(Interpreter& in, const Value& value, Spec spec) {
  if (!value.number()) in.fail(fmt::format("%{} format: a real number is required", spec.type));
  if (spec.type == 'd' || spec.type == 'i' || spec.type == 'u') {
    spec.type = 'd';
    spec.precision = -1;
    if (!value.integral() && !(std::abs(value.real) < 9e18)) in.fail("number out of range");
    return format_int(in, value.integral() ? value.as_int() : static_cast<std::int64_t>(value.real),
                      spec);
  }
  if (spec.type == 'x' || spec.type == 'X' || spec.type == 'o') {
    if (!value.integral()) in.fail("an integer is required");
    spec.precision = -1;
    return format_int(in, value.as_int(), spec);
  }
  return format_real(in, value.as_double(), spec);
}

std::string percent_value(Interpreter& in, const Value& value, Spec spec) {
  if (std::string_view("diuxXoeEfFgG").find(spec.type) != std::string_view::npos) {
    return percent_number(in, value, spec);
  }
  if (spec.fill == "0") spec.fill = " ";
  if (spec.align == '=') spec.align = '>';
  if (spec.align == 0) spec.align = '>';
  spec.sign = '-';
  if (spec.type == 's') return format_string(in, in.str(value), spec);
  if (spec.type == 'r' || spec.type == 'a') return format_string(in, in.repr(value), spec);
  if (spec.type == 'c' && value.string() && in.length(value) == 1) {
    return format_string(in, value.text(), spec);
  }
  if (spec.type == 'c' && value.integral()) return format_int(in, value.as_int(), spec);
  in.fail(fmt::format("unsupported format character '{}'", spec.type));
}

}  // namespace

std::string format_text(Interpreter& in, std::string_view format, const Arguments& args) {
  return TextFormatter(in, args).run(format, 0);
}

std::string percent_format(Interpreter& in, std::string_view format, const Value& args) {
  const bool many = args.is(Kind::kTuple);
  std::size_t used = 0;
  bool named = false;
  const auto next = [&]() -> Value {
    if (many ? used >= args.items().size() : used > 0) {
      in.fail("not enough arguments for format string");
    }
    return many ? args.items()[used++] : (++used, args);
  };
  std::string out;
  for (std::size_t at = 0; at < format.size();) {
    in.check_text(out.size());
    if (format[at] != '%') {
      out += format[at++];
      continue;
    }
    const auto next_is = [&](std::string_view set) {
      return at < format.size() && set.find(format[at]) != std::string_view::npos;
    };
    ++at;
    Value value;
    bool have = false;
    if (next_is("(")) {
      const std::size_t end = format.find(')', at);
      if (end == std::string_view::npos) in.fail("incomplete format key");
      if (!args.is(Kind::kDict)) in.fail("format requires a mapping");
      const Value* found = args.as<DictObject>().find_text(format.substr(at + 1, end - at - 1));
      if (found == nullptr) in.fail("a key of the format string is missing");
      value = *found;
      have = named = true;
      at = end + 1;
    }
    Spec spec;
    for (; next_is("-+ 0#"); ++at) {
      if (format[at] == '-') spec.align = '<';
      if (format[at] == '+' || (format[at] == ' ' && spec.sign != '+')) spec.sign = format[at];
      if (format[at] == '#') spec.alternate = true;
      if (format[at] == '0') spec.fill = "0";
    }
    const auto number = [&]() -> std::int64_t {
      if (!next_is("*")) return digits_at(in, format, at);
      ++at;
      const Value width = next();
      if (!width.is(Kind::kInt)) in.fail("* wants int");
      return std::clamp<std::int64_t>(width.integer, -1'000'000'000, 1'000'000'000);
    };
    spec.width = number();
    if (spec.width < 0) {
      spec.align = '<';
      spec.width = -spec.width;
    }
    if (next_is(".")) spec.precision = (++at, std::max<std::int64_t>(number(), 0));
    while (next_is("hlL")) ++at;
    if (at >= format.size()) in.fail("incomplete format");
    spec.type = format[at++];
    if (spec.type == '%') {
      out += '%';
      continue;
    }
    if (spec.align == '<') spec.fill = " ";
    if (spec.fill == "0") spec.align = '=';
    out += percent_value(in, have ? value : next(), spec);
  }
  in.charge(out.size() / 64 + 1);
  const bool mapping = args.is(Kind::kDict) || args.is(Kind::kList) || args.undefined();
  if (!named && !mapping && (many ? used < args.items().size() : used == 0)) {
    in.fail("not all arguments converted during string formatting");
  }
  return out;
}

}  // namespace halfbyte::jinja
