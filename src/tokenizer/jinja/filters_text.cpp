// Filters that make text of text.
#include <algorithm>
#include <cmath>

#include "tokenizer/jinja/builtin_args.h"
#include "tokenizer/jinja/python_format.h"
#include "tokenizer/jinja/text.h"

namespace halfbyte::jinja {

namespace {

using Mapping = std::string (*)(std::string_view);

template <Mapping kMapping>
Value mapped(Interpreter& in, const Value& self, const Bound&) {
  const std::string text = in.str(self);
  in.charge(text.size() / 64);
  return in.text(kMapping(text));
}

// A word begins the text or follows white space or one of -({[<.
std::string title_words(std::string_view text) {
  std::string out;
  std::size_t start = 0;
  const auto flush = [&](std::size_t end) {
    const std::string_view word = text.substr(start, end - start);
    if (word.empty()) return;
    const std::size_t first = code_point_at(word, 0).bytes;
    out += text_upper(word.substr(0, first)) + text_lower(word.substr(first));
  };
  for (std::size_t at = 0; at < text.size();) {
    const CodePoint point = code_point_at(text, at);
    const bool splits =
        is_space(point.value) ||
        (point.value < 0x80 &&
         std::string_view("-({[<").find(static_cast<char>(point.value)) != std::string_view::npos);
    if (splits) {
      flush(at);
      out += text.substr(at, point.bytes);
      start = at + point.bytes;
    }
    at += point.bytes;
  }
  flush(text.size());
  return out;
}

Value filter_trim(Interpreter& in, const Value& self, const Bound& args) {
  const std::string text = in.str(self);
  if (!args.given(0)) return in.text(std::string(text_strip(text, nullptr, kBoth)));
  const std::string_view chars = text_arg(in, args, 0);
  in.charge(text.size() * (chars.size() / 64 + 1) / 64);
  return in.text(std::string(text_strip(text, &chars, kBoth)));
}

Value filter_replace(Interpreter& in, const Value& self, const Bound& args) {
  const std::string text = in.str(self);
  in.charge(text.size() / 64);
  return in.text(text_replace(text, in.str(args.at(0)), in.str(args.at(1)),
                              args.given(2) ? int_arg(in, args, 2, -1) : -1, in.limits().output));
}

Value filter_center(Interpreter& in, const Value& self, const Bound& args) {
  return in.call_builtin(
      *find_row(text_methods(), "center"), in.text(in.str(self)),
      *std::make_unique<Arguments>(Arguments{{Value::of(int_arg(in, args, 0, 80))}, {}}));
}

Value filter_indent(Interpreter& in, const Value& self, const Bound& args) {
  if (!self.string()) in.fail("indent needs a string");
  const bool own_text = args.has(0) && args.at(0).string();
  const std::int64_t width = own_text ? 0 : int_arg(in, args, 0, 4);
  in.check_text(static_cast<std::uint64_t>(std::max<std::int64_t>(width, 0)));
  const std::string indent =
      own_text ? std::string(args.at(0).text())
               : std::string(static_cast<std::size_t>(std::max<std::int64_t>(width, 0)), ' ');
  const bool blank = bool_arg(args, 2, false);
  const std::string text = std::string(self.text()) + "\n";
  in.charge(text.size() / 64);
  std::string out = bool_arg(args, 1, false) ? indent : "";
  bool first = true;
  for (const std::string_view line : split_lines(text, false)) {
    if (!first) out += '\n';
    if (!first && (blank || !line.empty())) out += indent;
    out += line;
    first = false;
    in.check_text(out.size());
  }
  return in.text(std::move(out));
}

Value filter_truncate(Interpreter& in, const Value& self, const Bound& args) {
  const std::int64_t length = int_arg(in, args, 0, 255);
  const std::string end = args.has(2) ? in.str(args.at(2)) : "...";
  const std::int64_t leeway = args.given(3) ? int_arg(in, args, 3, 5) : 5;
  const auto end_length = static_cast<std::int64_t>(text_length(end));
  if (length < end_length || leeway < 0) in.fail("truncate: the length or leeway is too small");
  const std::int64_t have = in.length(self);
  if (have >= 0 && have - leeway <= length) return self;
  if (!self.string()) in.fail("truncate needs a string");
  const std::string_view text = self.text();
  const std::string_view kept =
      text.substr(0, text_offset(text, static_cast<std::size_t>(length - end_length)));
  const std::size_t space = bool_arg(args, 1, false) ? kept.npos : kept.rfind(' ');
  return in.text(std::string(kept.substr(0, space)) + end);
}

Value filter_wordcount(Interpreter& in, const Value& self, const Bound&) {
  std::int64_t words = 0;
  bool inside = false;
  const std::string text = in.str(self);
  in.charge(text.size() / 64);
  for (const std::int32_t c : code_points(text)) {
    const bool word = is_word(c);
    if (word && !inside) ++words;
    inside = word;
  }
  return Value::of(words);
}

Value filter_escape(Interpreter& in, const Value& self, const Bound&) {
  if (self.string() && self.as<StringObject>().markup) return self;
  return in.text(escape_markup(in.str(self)), true);
}

Value filter_forceescape(Interpreter& in, const Value& self, const Bound&) {
  return in.text(escape_markup(in.str(self)), true);
}

Value filter_safe(Interpreter& in, const Value& self, const Bound&) {
  return in.text(in.str(self), true);
}

Value filter_string(Interpreter& in, const Value& self, const Bound&) {
  return self.string() ? self : in.text(in.str(self));
}

std::string quoted_url(std::string_view text, bool query) {
  static constexpr std::string_view kKept = "_.-~";
  std::string out;
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    const bool plain = byte < 0x80 && (is_alpha(byte) || (c >= '0' && c <= '9') ||
                                       kKept.find(c) != kKept.npos || (c == '/' && !query));
    if (plain) {
      out += c;
    } else {
      out += query && c == ' ' ? "+" : fmt::format("%{:02X}", byte);
    }
  }
  return out;
}

Value filter_urlencode(Interpreter& in, const Value& self, const Bound&) {
  if (self.string() || !Interpreter::iterable(self)) {
    return in.text(quoted_url(in.str(self), false));
  }
  std::vector<std::pair<Value, Value>> pairs;
  if (self.is(Kind::kDict)) {
    pairs = self.as<DictObject>().entries;
  } else {
    for (const Value& pair : in.iterate(self)) {
      const std::vector<Value> both = in.iterate(pair);
      if (both.size() != 2) in.fail("urlencode needs pairs");
      pairs.emplace_back(both[0], both[1]);
    }
  }
  std::string out;
  for (const auto& [key, value] : pairs) {
    if (!out.empty()) out += '&';
    out += quoted_url(in.str(key), true) + "=" + quoted_url(in.str(value), true);
    in.check_text(out.size());
  }
  return in.text(std::move(out));
}

Value filter_format(Interpreter& in, const Value& self, const Bound& args) {
  if (!args.raw.positional.empty() && !args.raw.named.empty()) {
    in.fail("can't handle positional and keyword arguments at the same time");
  }
  const std::string format = in.str(self);
  if (args.raw.named.empty()) {
    return in.text(percent_format(in, format, in.tuple(args.raw.positional)));
  }
  DictObject& dict = in.dict();
  for (const auto& [name, value] : args.raw.named) in.dict_set(dict, name, value);
  return in.text(percent_format(in, format, Value(Kind::kDict, &dict)));
}

// Tags and comments go, and runs of white space become one blank.
Value filter_striptags(Interpreter& in, const Value& self, const Bound&) {
  std::string text = in.str(self);
  in.charge(text.size() / 64);
  for (const auto& [open, close] :
       {std::pair<std::string_view, std::string_view>{"<!--", "-->"}, {"<", ">"}}) {
    std::string kept;
    std::size_t at = 0;
    while (true) {
      const std::size_t start = text.find(open, at);
      const std::size_t end = start == text.npos ? text.npos : text.find(close, start);
      if (end == text.npos) break;
      kept += text.substr(at, start - at);
      at = end + close.size();
    }
    text = kept + text.substr(at);
  }
  std::string out;
  for (std::size_t at = 0; at < text.size();) {
    const CodePoint point = code_point_at(text, at);
    if (!is_space(point.value)) {
      out += text.substr(at, point.bytes);
    } else if (!out.empty() && out.back() != ' ') {
      out += ' ';
    }
    at += point.bytes;
  }
  if (!out.empty() && out.back() == ' ') out.pop_back();
  return in.text(std::move(out));
}

constexpr Builtin kTextFilters[] = {
    {"capitalize", "", 0, mapped<text_capitalize>},
    {"center", "width", 0, filter_center},
    {"e", "", 0, filter_escape},
    {"escape", "", 0, filter_escape},
    {"forceescape", "", 0, filter_forceescape},
    {"format", "*", 0, filter_format},
    {"indent", "width first blank", 0, filter_indent},
    {"lower", "", 0, mapped<text_lower>},
    {"replace", "old new count", 2, filter_replace},
    {"safe", "", 0, filter_safe},
    {"string", "", 0, filter_string},
    {"striptags", "", 0, filter_striptags},
    {"title", "", 0, mapped<title_words>},
    {"trim", "chars", 0, filter_trim},
    {"truncate", "length killwords end leeway", 0, filter_truncate},
    {"upper", "", 0, mapped<text_upper>},
    {"urlencode", "", 0, filter_urlencode},
    {"wordcount", "", 0, filter_wordcount},
};

}  // namespace

std::span<const Builtin> text_filters() {
  return kTextFilters;
}

}  // namespace halfbyte::jinja
