// str() and repr().
#include <charconv>
#include <cmath>
#include <cstdio>

#include <fmt/format.h>

#include "tokenizer/jinja/interpreter.h"
#include "tokenizer/jinja/python_format.h"
#include "tokenizer/jinja/text.h"

namespace halfbyte::jinja {

namespace {

// Python switches to an exponent outside of 1e-4 <= |x| < 1e16.
constexpr int kLowExponent = -4;
constexpr int kHighExponent = 16;

std::string joined(Interpreter& in, const std::vector<Value>& items) {
  std::string out;
  for (const Value& item : items) {
    if (!out.empty()) out += ", ";
    out += in.repr(item);
    in.check_text(out.size());
  }
  return out;
}

std::string repr_dict(Interpreter& in, const DictObject& dict) {
  std::string out = "{";
  for (const auto& [key, value] : dict.entries) {
    if (out.size() > 1) out += ", ";
    out += in.repr(key) + ": " + in.repr(value);
    in.check_text(out.size());
  }
  return out + "}";
}

std::string repr_range(const RangeObject& range) {
  if (range.step == 1) return fmt::format("range({}, {})", range.start, range.stop);
  return fmt::format("range({}, {}, {})", range.start, range.stop, range.step);
}

}  // namespace

std::string float_repr(double value) {
  if (std::isnan(value)) return "nan";
  if (std::isinf(value)) return value < 0 ? "-inf" : "inf";
  char buffer[40];
  const auto end =
      std::to_chars(buffer, buffer + sizeof buffer, std::abs(value), std::chars_format::scientific);
  const std::string_view all(buffer, static_cast<std::size_t>(end.ptr - buffer));
  const std::size_t mark = all.find('e');
  std::string digits(1, all[0]);
  if (mark > 1) digits += all.substr(2, mark - 2);
  int exponent = 0;
  const std::size_t exponent_at = mark + (all[mark + 1] == '+' ? 2 : 1);
  std::from_chars(all.data() + exponent_at, all.data() + all.size(), exponent);
  std::string out = std::signbit(value) ? "-" : "";
  if (exponent < kLowExponent || exponent >= kHighExponent) {
    out += digits[0];
    if (digits.size() > 1) out += "." + digits.substr(1);
    return out + fmt::format("e{}{:02}", exponent < 0 ? '-' : '+', std::abs(exponent));
  }
  if (exponent < 0)
    return out + "0." + std::string(static_cast<std::size_t>(-exponent - 1), '0') + digits;
  const auto whole = static_cast<std::size_t>(exponent) + 1;
  if (digits.size() <= whole) return out + digits + std::string(whole - digits.size(), '0') + ".0";
  return out + digits.substr(0, whole) + "." + digits.substr(whole);
}

std::string text_repr(std::string_view text) {
  const bool twofold =
      text.find('\'') != std::string_view::npos && text.find('"') == std::string_view::npos;
  const char quote = twofold ? '"' : '\'';
  std::string out(1, quote);
  for (std::size_t at = 0; at < text.size();) {
    const CodePoint point = code_point_at(text, at);
    const std::int32_t c = point.value;
    if (c == quote || c == '\\') {
      out += '\\';
      out += static_cast<char>(c);
    } else if (c == '\n' || c == '\r' || c == '\t') {
      out += c == '\n' ? "\\n" : c == '\r' ? "\\r" : "\\t";
    } else if (is_printable(c)) {
      out += text.substr(at, point.bytes);
    } else {
      out += c < 0x100     ? fmt::format("\\x{:02x}", c)
             : c < 0x10000 ? fmt::format("\\u{:04x}", c)
                           : fmt::format("\\U{:08x}", c);
    }
    at += point.bytes;
  }
  return out + quote;
}

std::string escape_markup(std::string_view text) {
  std::string out;
  for (const char c : text) {
    switch (c) {
      case '&':
        out += "&amp;";
        break;
      case '<':
        out += "&lt;";
        break;
      case '>':
        out += "&gt;";
        break;
      case '\'':
        out += "&#39;";
        break;
      case '"':
        out += "&#34;";
        break;
      default:
        out += c;
    }
  }
  return out;
}

std::string Interpreter::str(const Value& value) {
  if (value.string()) return std::string(value.text());
  if (value.undefined()) return "";
  return repr(value);
}

std::string Interpreter::repr(const Value& value) {
  const Level level(*this);
  charge(1);
  switch (value.kind) {
    case Kind::kUndefined:
      return "Undefined";
    case Kind::kNone:
      return "None";
    case Kind::kBool:
      return value.boolean ? "True" : "False";
    case Kind::kInt:
      return std::to_string(value.integer);
    case Kind::kFloat:
      return float_repr(value.real);
    case Kind::kString: {
      charge(value.text().size() / 64);
      const std::string quoted = text_repr(value.text());
      return value.as<StringObject>().markup ? "Markup(" + quoted + ")" : quoted;
    }
    case Kind::kList:
      return "[" + joined(*this, value.items()) + "]";
    case Kind::kTuple:
      return "(" + joined(*this, value.items()) + (value.items().size() == 1 ? ",)" : ")");
    case Kind::kView:
      return std::string(value.as<ListObject>().view) + "([" + joined(*this, value.items()) + "])";
    case Kind::kDict:
      return repr_dict(*this, value.as<DictObject>());
    case Kind::kNamespace:
      return "<Namespace " + repr_dict(*this, value.as<NamespaceObject>()) + ">";
    case Kind::kRange:
      return repr_range(value.as<RangeObject>());
    case Kind::kMacro:
      return "<Macro " + text_repr(value.as<MacroObject>().stmt->macro.name) + ">";
    case Kind::kLoop: {
      auto& loop = value.as<LoopObject>();
      return fmt::format("<LoopContext {}/{}>", loop.index0 + 1, loop_length(loop));
    }
    default:
      return fmt::format("<{} object>", type_name(value));
  }
}

}  // namespace halfbyte::jinja
