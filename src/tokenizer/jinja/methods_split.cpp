// Methods of strings that cut them: split, partition, splitlines.
#include <algorithm>

#include "tokenizer/jinja/builtin_args.h"
#include "tokenizer/jinja/text.h"

namespace halfbyte::jinja {

namespace {

Value pieces(Interpreter& in, const std::vector<std::string_view>& parts) {
  std::vector<Value> items;
  in.check_items(parts.size());
  items.reserve(parts.size());
  for (const std::string_view part : parts) items.push_back(in.text(std::string(part)));
  return in.list(std::move(items));
}

// At runs of white space, from the left.
std::vector<std::string_view> words(std::string_view text, std::int64_t limit) {
  std::vector<std::string_view> parts;
  text = text_strip(text, nullptr, kLeft);
  while (!text.empty()) {
    if (static_cast<std::int64_t>(parts.size()) == limit) {
      parts.push_back(text);  // with its white space at the end
      break;
    }
    std::size_t end = 0;
    while (end < text.size() && !is_space(code_point_at(text, end).value)) {
      end += code_point_at(text, end).bytes;
    }
    parts.push_back(text.substr(0, end));
    text = text_strip(text.substr(end), nullptr, kLeft);
  }
  return parts;
}

// At runs of white space, from the right.
std::vector<std::string_view> words_from_right(std::string_view text, std::int64_t limit) {
  if (limit < 0) return words(text, -1);
  std::vector<std::string_view> parts;
  text = text_strip(text, nullptr, kRight);
  const auto all = words(text, -1);
  const std::size_t kept = std::min<std::size_t>(all.size(), static_cast<std::size_t>(limit));
  if (kept < all.size()) {
    const std::string_view last = all[all.size() - kept - 1];
    parts.push_back(
        text.substr(0, static_cast<std::size_t>(last.data() + last.size() - text.data())));
  }
  parts.insert(parts.end(), all.end() - static_cast<std::ptrdiff_t>(kept), all.end());
  return parts;
}

Value method_split(Interpreter& in, const Value& self, const Bound& args) {
  std::string_view text = self.text();
  const std::int64_t limit = int_arg(in, args, 1, -1);
  in.charge(text.size() / 64);
  if (!args.given(0)) return pieces(in, words(text, limit));
  const std::string_view separator = text_arg(in, args, 0);
  if (separator.empty()) in.fail("empty separator");
  std::vector<std::string_view> parts;
  std::size_t start = 0;
  while (static_cast<std::int64_t>(parts.size()) != limit) {
    const std::size_t at = text_find(text, separator, start);
    if (at == text.npos) break;
    parts.push_back(text.substr(start, at - start));
    start = at + separator.size();
  }
  parts.push_back(text.substr(start));
  return pieces(in, parts);
}

Value method_rsplit(Interpreter& in, const Value& self, const Bound& args) {
  std::string_view text = self.text();
  const std::int64_t limit = int_arg(in, args, 1, -1);
  in.charge(text.size() / 64);
  if (!args.given(0)) return pieces(in, words_from_right(text, limit));
  const std::string_view separator = text_arg(in, args, 0);
  if (separator.empty()) in.fail("empty separator");
  std::vector<std::string_view> parts;
  while (static_cast<std::int64_t>(parts.size()) != limit) {
    in.charge(text.size() / 4096);  // a long separator is searched from the start each time
    const std::size_t at = text_rfind(text, separator);
    if (at == text.npos) break;
    parts.push_back(text.substr(at + separator.size()));
    text = text.substr(0, at);
  }
  parts.push_back(text);
  std::reverse(parts.begin(), parts.end());
  return pieces(in, parts);
}

Value method_splitlines(Interpreter& in, const Value& self, const Bound& args) {
  in.charge(self.text().size() / 64);
  return pieces(in, split_lines(self.text(), bool_arg(args, 0, false)));
}

template <bool kBackward>
Value partition(Interpreter& in, const Value& self, const Bound& args) {
  const std::string_view text = self.text();
  const std::string_view separator = text_arg(in, args, 0);
  if (separator.empty()) in.fail("empty separator");
  in.charge(text.size() / 64);
  const std::size_t at = kBackward ? text_rfind(text, separator) : text_find(text, separator);
  const auto part = [&](std::string_view piece) { return in.text(std::string(piece)); };
  if (at == text.npos) {
    return kBackward ? in.tuple({part(""), part(""), part(text)})
                     : in.tuple({part(text), part(""), part("")});
  }
  return in.tuple(
      {part(text.substr(0, at)), part(separator), part(text.substr(at + separator.size()))});
}

constexpr Builtin kSplitMethods[] = {
    {"partition", "sep", 1, partition<false>},        {"rpartition", "sep", 1, partition<true>},
    {"rsplit", "sep maxsplit", 0, method_rsplit},     {"split", "sep maxsplit", 0, method_split},
    {"splitlines", "keepends", 0, method_splitlines},
};

}  // namespace

std::span<const Builtin> split_methods() {
  return kSplitMethods;
}

}  // namespace halfbyte::jinja
