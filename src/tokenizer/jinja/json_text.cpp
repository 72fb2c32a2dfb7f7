// json.dumps: the text that Python's json module writes, byte for byte.
#include <algorithm>
#include <cmath>

#include <fmt/format.h>

#include "tokenizer/jinja/interpreter.h"
#include "tokenizer/jinja/python_format.h"
#include "tokenizer/jinja/text.h"

namespace halfbyte::jinja {

namespace {

void append_unicode(std::string& out, std::int32_t c) {
  if (c < 0x10000) {
    out += fmt::format("\\u{:04x}", c);
    return;
  }
  const std::int32_t rest = c - 0x10000;
  out += fmt::format("\\u{:04x}\\u{:04x}", 0xd800 + (rest >> 10), 0xdc00 + (rest & 0x3ff));
}

class Writer {
 public:
  Writer(Interpreter& in, const JsonStyle& style) : in_(in), style_(style) {}

  std::string run(const Value& value) {
    write(value);
    return std::move(out_);
  }

 private:
  void write(const Value& value) {
    const Interpreter::Level level(in_);
    in_.charge(1);
    in_.check_text(out_.size());
    switch (value.kind) {
      case Kind::kNone:
        out_ += "null";
        return;
      case Kind::kBool:
      case Kind::kInt:
      case Kind::kFloat:
        out_ += number(value);
        return;
      case Kind::kString:
        return text(value.text());
      case Kind::kList:
      case Kind::kTuple:
        return list(value.items());
      case Kind::kDict:
        return dict(value.as<DictObject>());
      default:
        in_.fail(fmt::format("Object of type {} is not JSON serializable", type_name(value)));
    }
  }

  static std::string number(const Value& value) {
    if (value.is(Kind::kBool)) return value.boolean ? "true" : "false";
    if (value.is(Kind::kInt)) return std::to_string(value.integer);
    if (std::isnan(value.real)) return "NaN";
    if (std::isinf(value.real)) return value.real < 0 ? "-Infinity" : "Infinity";
    return float_repr(value.real);
  }

  void text(std::string_view all) {
    in_.charge(all.size() / 64);
    in_.check_text(out_.size() + all.size());
    out_ += '"';
    for (std::size_t at = 0; at < all.size();) {
      const CodePoint point = code_point_at(all, at);
      const std::int32_t c = point.value;
      static constexpr std::string_view kShort = "\"\\\n\r\t\b\f";
      static constexpr std::string_view kNames = "\"\\nrtbf";
      const std::size_t special = c < 0x80 ? kShort.find(static_cast<char>(c)) : kShort.npos;
      if (special != kShort.npos) {
        out_ += '\\';
        out_ += kNames[special];
      } else if (c < 0x20 || (style_.ascii && c > 0x7e && c != 0x7f)) {
        append_unicode(out_, c);
      } else {
        out_ += all.substr(at, point.bytes);
      }
      at += point.bytes;
    }
    out_ += '"';
  }

  void line() {
    if (!style_.pretty) return;
    in_.check_text(out_.size() + level_ * style_.indent.size());
    out_ += '\n';
    for (std::size_t i = 0; i < level_; ++i) out_ += style_.indent;
  }

  void list(const std::vector<Value>& items) {
    if (items.empty()) {
      out_ += "[]";
      return;
    }
    out_ += '[';
    ++level_;
    for (std::size_t i = 0; i < items.size(); ++i) {
      if (i > 0) out_ += style_.item_separator;
      line();
      write(items[i]);
    }
    --level_;
    line();
    out_ += ']';
  }

  void dict(const DictObject& object) {
    if (object.entries.empty()) {
      out_ += "{}";
      return;
    }
    auto entries = object.entries;
    if (style_.sort_keys) {
      std::stable_sort(entries.begin(), entries.end(), [&](const auto& a, const auto& b) {
        return in_.compare(Op::kLt, a.first, b.first);
      });
    }
    out_ += '{';
    ++level_;
    for (std::size_t i = 0; i < entries.size(); ++i) {
      if (i > 0) out_ += style_.item_separator;
      line();
      key(entries[i].first);
      out_ += style_.key_separator;
      write(entries[i].second);
    }
    --level_;
    line();
    out_ += '}';
  }

  void key(const Value& value) {
    if (value.string()) return text(value.text());
    if (value.is(Kind::kNone)) return text("null");
    if (!value.number()) in_.fail("keys must be str, int, float, bool or None");
    text(number(value));
  }

  Interpreter& in_;
  const JsonStyle& style_;
  std::string out_;
  std::size_t level_ = 0;
};

}  // namespace

std::string json_text(Interpreter& in, const Value& value, const JsonStyle& style) {
  return Writer(in, style).run(value);
}

}  // namespace halfbyte::jinja
