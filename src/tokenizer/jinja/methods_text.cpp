// Methods of strings, except those that cut them into lists.
#include <algorithm>

#include "tokenizer/jinja/builtin_args.h"
#include "tokenizer/jinja/python_format.h"
#include "tokenizer/jinja/text.h"

namespace halfbyte::jinja {

namespace {

using Mapping = std::string (*)(std::string_view);
using Class = bool (*)(std::int32_t);

template <Mapping kMapping>
Value mapped(Interpreter& in, const Value& self, const Bound&) {
  in.charge(self.text().size() / 64);
  return in.text(kMapping(self.text()), self.as<StringObject>().markup);
}

template <Side kSide>
Value strip(Interpreter& in, const Value& self, const Bound& args) {
  const std::string_view text = self.text();
  if (!args.given(0)) return in.text(std::string(text_strip(text, nullptr, kSide)));
  const std::string_view chars = text_arg(in, args, 0);
  in.charge(text.size() / 64 * (chars.size() / 64 + 1));
  return in.text(std::string(text_strip(text, &chars, kSide)));
}

bool is_alnum(std::int32_t c) {
  return is_alpha(c) || is_numeric(c);
}

// All characters of a text that is not empty.
template <Class kClass>
Value all_of(Interpreter& in, const Value& self, const Bound&) {
  in.charge(self.text().size() / 64);
  const auto points = code_points(self.text());
  return Value::of(!points.empty() && std::all_of(points.begin(), points.end(), kClass));
}

template <Class kWanted, Class kOther>
Value all_cased(Interpreter& in, const Value& self, const Bound&) {
  in.charge(self.text().size() / 64);
  const auto points = code_points(self.text());
  const bool none = std::none_of(points.begin(), points.end(),
                                 [](std::int32_t c) { return kOther(c) || is_title(c); });
  return Value::of(none && std::any_of(points.begin(), points.end(), kWanted));
}

Value method_istitle(Interpreter& in, const Value& self, const Bound&) {
  in.charge(self.text().size() / 64);
  bool inside = false;
  bool some = false;
  for (const std::int32_t c : code_points(self.text())) {
    const bool upper = is_upper(c) || is_title(c);
    if (upper ? inside : (is_lower(c) && !inside)) return Value::of(false);
    inside = upper || is_lower(c);
    some = some || inside;
  }
  return Value::of(some);
}

Value method_isascii(Interpreter&, const Value& self, const Bound&) {
  const std::string_view text = self.text();
  return Value::of(std::all_of(text.begin(), text.end(), [](char c) { return (c & 0x80) == 0; }));
}

Value method_isidentifier(Interpreter&, const Value& self, const Bound&) {
  const auto points = code_points(self.text());
  return Value::of(!points.empty() && !is_numeric(points[0]) &&
                   std::all_of(points.begin(), points.end(), is_word));
}

// The part of the text between the code points that arguments `i` and `i` + 1 name; false if the
// start is past the end. `offset`: bytes before the part.
bool window(Interpreter& in, const Value& self, const Bound& args, std::size_t i,
            std::string_view& part, std::size_t& offset) {
  part = self.text();
  offset = 0;
  if (!args.given(i) && !args.given(i + 1)) return true;
  const std::int64_t length = in.length(self);
  const auto end_of = [&](std::size_t which, std::int64_t otherwise) {
    if (!args.given(which)) return otherwise;
    const std::int64_t at = int_arg(in, args, which, otherwise);
    return at < 0 ? std::max<std::int64_t>(at + length, 0) : at;
  };
  const std::int64_t from = end_of(i, 0);
  const std::int64_t to = std::min(end_of(i + 1, length), length);
  if (from > to) return false;
  offset = text_offset(part, static_cast<std::size_t>(from));
  part = part.substr(offset);
  part = part.substr(0, text_offset(part, static_cast<std::size_t>(to - from)));
  return true;
}

template <bool kEnd>
Value affix(Interpreter& in, const Value& self, const Bound& args) {
  std::string_view part;
  std::size_t offset = 0;
  if (!args.at(0).string() && !args.at(0).is(Kind::kTuple)) {
    in.fail("the argument must be a str or a tuple of str");
  }
  const auto options = args.at(0).string() ? std::vector<Value>{args.at(0)} : args.at(0).items();
  if (!window(in, self, args, 1, part, offset)) return Value::of(false);
  for (const Value& option : options) {
    in.charge(1);
    if (!option.string()) in.fail("the tuple must contain only str");
    if (kEnd ? part.ends_with(option.text()) : part.starts_with(option.text())) {
      return Value::of(true);
    }
  }
  return Value::of(false);
}

std::int64_t locate(Interpreter& in, const Value& self, const Bound& args, bool backward) {
  const std::string_view needle = text_arg(in, args, 0);
  std::string_view part;
  std::size_t offset = 0;
  in.charge(self.text().size() / 64);
  if (!window(in, self, args, 1, part, offset)) return -1;
  const std::size_t at = backward ? text_rfind(part, needle) : text_find(part, needle);
  if (at == std::string_view::npos) return -1;
  return static_cast<std::int64_t>(text_length(self.text().substr(0, offset + at)));
}

template <bool kBackward, bool kMust>
Value find(Interpreter& in, const Value& self, const Bound& args) {
  const std::int64_t at = locate(in, self, args, kBackward);
  if (kMust && at < 0) in.fail("substring not found");
  return Value::of(at);
}

Value method_count(Interpreter& in, const Value& self, const Bound& args) {
  const std::string_view needle = text_arg(in, args, 0);
  std::string_view part;
  std::size_t offset = 0;
  in.charge(self.text().size() / 64);
  if (!window(in, self, args, 1, part, offset)) return Value::of(std::int64_t{0});
  if (needle.empty()) return Value::of(static_cast<std::int64_t>(text_length(part)) + 1);
  std::int64_t count = 0;
  for (std::size_t at = text_find(part, needle); at != part.npos;
       at = text_find(part, needle, at + needle.size())) {
    ++count;
  }
  return Value::of(count);
}

Value method_replace(Interpreter& in, const Value& self, const Bound& args) {
  in.charge(self.text().size() / 64);
  return in.text(text_replace(self.text(), text_arg(in, args, 0), text_arg(in, args, 1),
                              int_arg(in, args, 2, -1), in.limits().output));
}

template <bool kSuffix>
Value remove_affix(Interpreter& in, const Value& self, const Bound& args) {
  std::string_view text = self.text();
  const std::string_view part = text_arg(in, args, 0);
  if (kSuffix && text.ends_with(part)) text.remove_suffix(part.size());
  if (!kSuffix && text.starts_with(part)) text.remove_prefix(part.size());
  return in.text(std::string(text));
}

// `left` and `right`: whether blanks go on that side; with both, the odd one as Python does it.
template <bool kLeftPad, bool kRightPad>
Value pad(Interpreter& in, const Value& self, const Bound& args) {
  const std::string fill = args.has(1) ? std::string(text_arg(in, args, 1)) : " ";
  if (text_length(fill) != 1) in.fail("The fill character must be exactly one character long");
  const std::int64_t width = int_arg(in, args, 0, 0);
  const std::int64_t length = in.length(self);
  if (width <= length) return in.text(std::string(self.text()));
  const auto total = static_cast<std::uint64_t>(width - length);
  in.check_text(total);
  in.check_text(total * fill.size() + self.text().size());
  const std::uint64_t both = total / 2 + (total & static_cast<std::uint64_t>(width) & 1);
  const std::uint64_t left = kLeftPad ? (kRightPad ? both : total) : 0;
  std::string out;
  for (std::uint64_t i = 0; i < left; ++i) out += fill;
  out += self.text();
  for (std::uint64_t i = left; i < total; ++i) out += fill;
  return in.text(std::move(out));
}

Value method_zfill(Interpreter& in, const Value& self, const Bound& args) {
  const std::int64_t missing = int_arg(in, args, 0, 0) - in.length(self);
  std::string text(self.text());
  if (missing <= 0) return in.text(std::move(text));
  in.check_text(static_cast<std::uint64_t>(missing));
  const bool sign = text.starts_with('-') || text.starts_with('+');
  text.insert(sign ? 1 : 0, static_cast<std::size_t>(missing), '0');
  return in.text(std::move(text));
}

Value method_join(Interpreter& in, const Value& self, const Bound& args) {
  std::string out;
  bool first = true;
  if (!Interpreter::iterable(args.at(0))) in.fail("can only join an iterable");
  for (const Value& item : in.iterate(args.at(0))) {
    if (!item.string()) {
      in.fail(fmt::format("sequence item: expected str instance, {} found", type_name(item)));
    }
    if (!std::exchange(first, false)) out += self.text();
    out += item.text();
    in.check_text(out.size());
  }
  return in.text(std::move(out));
}

Value method_format(Interpreter& in, const Value& self, const Bound& args) {
  return in.text(format_text(in, self.text(), args.raw));
}

Value method_format_map(Interpreter& in, const Value& self, const Bound& args) {
  Arguments named;
  if (!args.at(0).is(Kind::kDict)) in.fail("format_map() needs a mapping");
  for (const auto& [key, value] : args.at(0).as<DictObject>().entries) {
    if (key.string()) named.named.emplace_back(key.text(), value);
  }
  return in.text(format_text(in, self.text(), named));
}

Value method_expandtabs(Interpreter& in, const Value& self, const Bound& args) {
  const std::int64_t size = int_arg(in, args, 0, 8);
  std::string out;
  std::int64_t column = 0;
  for (const std::int32_t c : code_points(self.text())) {
    if (c == '\t') {
      const std::int64_t blanks = size > 0 ? size - column % size : 0;
      in.check_text(out.size() + static_cast<std::uint64_t>(blanks));
      out.append(static_cast<std::size_t>(blanks), ' ');
      column += blanks;
      continue;
    }
    append_code_point(out, c);
    column = c == '\n' || c == '\r' ? 0 : column + 1;
  }
  return in.text(std::move(out));
}

constexpr Builtin kTextMethods[] = {
    {"capitalize", "", 0, mapped<text_capitalize>},
    {"casefold", "", 0, mapped<text_lower>},
    {"center", "width fillchar", 1, pad<true, true>},
    {"count", "sub start end", 1, method_count},
    {"endswith", "suffix start end", 1, affix<true>},
    {"expandtabs", "tabsize", 0, method_expandtabs},
    {"find", "sub start end", 1, find<false, false>},
    {"format", "*", 0, method_format},
    {"format_map", "mapping", 1, method_format_map},
    {"index", "sub start end", 1, find<false, true>},
    {"isalnum", "", 0, all_of<is_alnum>},
    {"isalpha", "", 0, all_of<is_alpha>},
    {"isascii", "", 0, method_isascii},
    {"isdecimal", "", 0, all_of<is_decimal>},
    {"isdigit", "", 0, all_of<is_digit>},
    {"isidentifier", "", 0, method_isidentifier},
    {"islower", "", 0, all_cased<is_lower, is_upper>},
    {"isnumeric", "", 0, all_of<is_numeric>},
    {"isspace", "", 0, all_of<is_space>},
    {"istitle", "", 0, method_istitle},
    {"isupper", "", 0, all_cased<is_upper, is_lower>},
    {"join", "iterable", 1, method_join},
    {"ljust", "width fillchar", 1, pad<false, true>},
    {"lower", "", 0, mapped<text_lower>},
    {"lstrip", "chars", 0, strip<kLeft>},
    {"removeprefix", "prefix", 1, remove_affix<false>},
    {"removesuffix", "suffix", 1, remove_affix<true>},
    {"replace", "old new count", 2, method_replace},
    {"rfind", "sub start end", 1, find<true, false>},
    {"rindex", "sub start end", 1, find<true, true>},
    {"rjust", "width fillchar", 1, pad<true, false>},
    {"rstrip", "chars", 0, strip<kRight>},
    {"startswith", "prefix start end", 1, affix<false>},
    {"strip", "chars", 0, strip<kBoth>},
    {"swapcase", "", 0, mapped<text_swapcase>},
    {"title", "", 0, mapped<text_title>},
    {"upper", "", 0, mapped<text_upper>},
    {"zfill", "width", 1, method_zfill},
};

}  // namespace

std::span<const Builtin> text_methods() {
  return kTextMethods;
}

}  // namespace halfbyte::jinja
