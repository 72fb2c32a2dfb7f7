// Oniguruma (Ruby syntax) to PCRE2. The two agree on most of what tokenizers use; this pass
// rewrites where they do not (Oniguruma's doc/RE, PCRE2's pcre2pattern).
#include <array>
#include <tuple>
#include <utility>

#include "base/error.h"
#include "tokenizer/regex.h"

namespace halfbyte {
namespace {

constexpr int kMaxClassDepth = 16;
constexpr std::string_view kWordItems = "\\p{Alphabetic}\\p{M}\\p{Nd}\\p{Pc}";
constexpr std::string_view kHexItems = "0-9A-Fa-f";
constexpr std::string_view kBoundary =
    "(?:(?<=[\\p{Alphabetic}\\p{M}\\p{Nd}\\p{Pc}])(?![\\p{Alphabetic}\\p{M}\\p{Nd}\\p{Pc}])|"
    "(?<![\\p{Alphabetic}\\p{M}\\p{Nd}\\p{Pc}])(?=[\\p{Alphabetic}\\p{M}\\p{Nd}\\p{Pc}]))";
constexpr std::string_view kNoBoundary =
    "(?:(?<=[\\p{Alphabetic}\\p{M}\\p{Nd}\\p{Pc}])(?=[\\p{Alphabetic}\\p{M}\\p{Nd}\\p{Pc}])|"
    "(?<![\\p{Alphabetic}\\p{M}\\p{Nd}\\p{Pc}])(?![\\p{Alphabetic}\\p{M}\\p{Nd}\\p{Pc}]))";

// Long names that PCRE2 10.42 does not know, as items of a class.
constexpr std::array<std::pair<std::string_view, std::string_view>, 18> kProperties = {{
    {"letter", "\\p{L}"},
    {"number", "\\p{N}"},
    {"punctuation", "\\p{P}"},
    {"symbol", "\\p{S}"},
    {"mark", "\\p{M}"},
    {"separator", "\\p{Z}"},
    {"other", "\\p{C}"},
    {"uppercaseletter", "\\p{Lu}"},
    {"lowercaseletter", "\\p{Ll}"},
    {"decimalnumber", "\\p{Nd}"},
    {"digit", "\\p{Nd}"},
    {"space", "\\s"},
    {"whitespace", "\\s"},
    {"word", kWordItems},
    {"alpha", "\\p{Alphabetic}"},
    {"alnum", "\\p{Alphabetic}\\p{Nd}"},
    {"upper", "\\p{Uppercase}"},
    {"lower", "\\p{Lowercase}"},
}};

// A bracketed class: the union of items and nested classes, cut with `also`.
struct ClassSet {
  bool negated = false;
  std::string items;  // what may stand inside of PCRE2's brackets
  std::vector<ClassSet> nested;
  std::vector<ClassSet> also;  // the operands of && before the last
};

std::string class_pattern(const ClassSet& set) {
  const bool simple = set.nested.empty() && set.also.empty();
  if (simple && !set.items.empty()) return (set.negated ? "[^" : "[") + set.items + "]";
  std::string unit;
  if (!set.items.empty()) unit = "[" + set.items + "]";
  for (const ClassSet& inner : set.nested) unit += (unit.empty() ? "" : "|") + class_pattern(inner);
  unit = unit.empty() ? "(?!)" : "(?:" + unit + ")";
  if (!set.also.empty()) {
    std::string cut;
    for (const ClassSet& other : set.also) cut += "(?=" + class_pattern(other) + ")";
    unit = "(?:" + cut + unit + ")";
  }
  return set.negated ? "(?:(?!" + unit + ")(?s:.))" : unit;
}

std::string literal(char32_t c) {
  constexpr std::string_view kDigits = "0123456789ABCDEF";
  if ((c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z')) {
    return std::string(1, static_cast<char>(c));
  }
  std::string hex;
  for (; c != 0 || hex.empty(); c >>= 4) hex.insert(hex.begin(), kDigits[c & 15]);
  return "\\x{" + hex + "}";
}

class Translator {
 public:
  Translator(std::string_view in, std::string_view file) : in_(in), file_(file) {}

  std::string run() {
    while (i_ < in_.size()) step();
    return std::move(out_);
  }

 private:
  [[noreturn]] void fail(std::string_view what) const {
    fail_malformed(file_,
                   "pattern \"" + std::string(in_.substr(0, 200)) + "\": " + std::string(what));
  }
  bool at(std::string_view text) const { return in_.substr(i_, text.size()) == text; }
  char peek(std::size_t k = 0) const { return i_ + k < in_.size() ? in_[i_ + k] : '\0'; }
  void atom(std::string_view text) {
    atom_ = out_.size();
    out_ += text;
  }

  void step() {
    const char c = peek();
    switch (c) {
      case '\\':
        return escape();
      case '[': {
        ++i_;
        return atom(class_pattern(parse_class(0)));
      }
      case '(':
        return open_group();
      case ')':
        ++i_;
        if (groups_.empty()) fail("unmatched )");
        atom_ = groups_.back();
        groups_.pop_back();
        out_ += ')';
        return;
      case '{':
        return interval();
      case '*':
      case '+':
      case '?':
      case '|':
      case '^':
      case '$':
        ++i_;
        out_ += c;
        return;
      case '.':
        ++i_;
        return atom(".");
      default:
        atom(literal(next_char(in_, i_)));
    }
  }

  void open_group() {
    groups_.push_back(out_.size());
    out_ += '(';
    ++i_;
    if (peek() != '?') return;
    if (at("?#") || at("?~") || at("?x"))
      fail_unsupported(file_, "pattern with (" + std::string(in_.substr(i_, 2)) + ")");
    out_ += '?';
    ++i_;
    // Options: Ruby's m is dot-all. What is not an option (":", "=", "<!", "<name>") is copied.
    for (char c = peek(); (c >= 'a' && c <= 'z') || c == '-'; c = peek()) {
      out_ += c == 'm' ? 's' : c;
      ++i_;
    }
    if (peek() == ')') return;
    for (char c = peek(); c == ':' || c == '=' || c == '!' || c == '>' || c == '<' || c == '\'';
         c = peek()) {
      out_ += c;
      ++i_;
      if (c == '<' && (peek() == '=' || peek() == '!')) continue;
      if (c == '<' || c == '\'') {
        const std::size_t end = in_.find(c == '<' ? '>' : '\'', i_);
        if (end == std::string_view::npos) fail("group name without an end");
        out_ += in_.substr(i_, end + 1 - i_);
        i_ = end + 1;
      }
      return;
    }
  }

  // {n}, {n,}, {,m}, {n,m}. In Ruby a + behind one repeats it, and {n}? makes it optional.
  void interval() {
    std::size_t k = 1;
    const auto digits = [&] {
      std::string number;
      while (peek(k) >= '0' && peek(k) <= '9') number += peek(k++);
      return number;
    };
    std::string low = digits();
    const bool comma = peek(k) == ',';
    if (comma) ++k;
    const std::string high = comma ? digits() : "";
    if (peek(k) != '}' || (low.empty() && high.empty())) {
      ++i_;
      return atom(literal('{'));
    }
    i_ += k + 1;
    if (low.empty()) low = "0";
    out_ += "{" + low + (comma ? "," : "") + high + "}";
    if (peek() == '+' || (peek() == '?' && !comma)) {
      out_.insert(atom_, "(?:");
      out_ += ')';
    }
  }

  // "p{...}" or "P{...}" at i_ (behind the backslash): the items of a class, and whether negated.
  std::pair<std::string, bool> property() {
    bool negated = peek() == 'P';
    const std::size_t end = in_.find('}', i_);
    if (peek(1) != '{' || end == std::string_view::npos) fail("property without braces");
    std::string_view name = in_.substr(i_ + 2, end - i_ - 2);
    i_ = end + 1;
    if (!name.empty() && name[0] == '^') {
      negated = !negated;
      name.remove_prefix(1);
    }
    std::string folded;
    for (const char c : name) {
      if (c == ' ' || c == '_' || c == '-') continue;
      folded += c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
    }
    for (const auto& [key, items] : kProperties) {
      if (key == folded) return {std::string(items), negated};
    }
    return {"\\p{" + std::string(name) + "}", negated};
  }

  // A class escape at i_ (behind the backslash), or nothing.
  bool class_escape(std::string& items, bool& negated) {
    const char c = peek();
    negated = c == 'W' || c == 'H' || c == 'D' || c == 'S';
    switch (c) {
      case 'w':
      case 'W':
        items = kWordItems;
        break;
      case 'h':
      case 'H':
        items = kHexItems;
        break;
      case 'd':
      case 'D':
        items = "\\p{Nd}";
        break;
      case 's':
      case 'S':
        items = "\\s";
        break;
      case 'p':
      case 'P':
        std::tie(items, negated) = property();
        return true;
      default:
        return false;
    }
    ++i_;
    return true;
  }

  // A single character written as an escape at i_ (behind the backslash).
  char32_t char_escape(bool in_class) {
    const char c = peek();
    if (c == 'x' || c == 'u') {
      ++i_;
      return hex(c == 'u' ? 4 : 2);
    }
    constexpr std::array<std::pair<char, char>, 7> kNamed = {
        {{'n', '\n'}, {'r', '\r'}, {'t', '\t'}, {'f', '\f'}, {'v', '\v'}, {'a', '\a'}, {'e', 27}}};
    for (const auto& [name, value] : kNamed) {
      if (c == name) {
        ++i_;
        return static_cast<char32_t>(value);
      }
    }
    if (in_class && c == 'b') {
      ++i_;
      return 8;
    }
    if (in_class && c >= '0' && c <= '7') {
      char32_t value = 0;
      for (int k = 0; k < 3 && peek() >= '0' && peek() <= '7'; ++k) {
        value = value * 8 + static_cast<char32_t>(in_[i_++] - '0');
      }
      return value;
    }
    if ((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z')) {
      fail_unsupported(file_, std::string("\\") + c + " in a pattern");
    }
    return next_char(in_, i_);
  }

  char32_t hex(int digits) {
    const bool braces = peek() == '{';
    if (braces) {
      ++i_;
      digits = 8;
    }
    char32_t value = 0;
    for (; digits > 0; --digits) {
      const char c = peek();
      int digit = -1;
      if (c >= '0' && c <= '9') digit = c - '0';
      if (c >= 'a' && c <= 'f') digit = c - 'a' + 10;
      if (c >= 'A' && c <= 'F') digit = c - 'A' + 10;
      if (digit < 0) break;
      value = value * 16 + static_cast<char32_t>(digit);
      ++i_;
    }
    if (braces && peek() != '}') fail("bad hexadecimal escape");
    if (braces) ++i_;
    if (value > 0x10FFFF || (value >= 0xD800 && value < 0xE000)) fail("no such character");
    return value;
  }

  void escape() {
    ++i_;
    if (i_ == in_.size()) fail("\\ at the end");
    const char c = peek();
    std::string items;
    bool negated = false;
    if (class_escape(items, negated)) return atom((negated ? "[^" : "[") + items + "]");
    constexpr std::string_view kSame = "AzZGKRXN";
    if (c == 'b' || c == 'B') {
      ++i_;
      return atom(c == 'b' ? kBoundary : kNoBoundary);
    }
    if (c == 'O') {
      ++i_;
      return atom("(?s:.)");
    }
    if (kSame.find(c) != std::string_view::npos || (c >= '1' && c <= '9')) {
      ++i_;
      return atom(std::string("\\") + c);
    }
    if (c == '0') {
      ++i_;
      return atom(literal(0));
    }
    atom(literal(char_escape(false)));
  }

  // Behind the opening bracket, up to and with the closing one.
  ClassSet parse_class(int depth) {
    if (depth > kMaxClassDepth) fail_unsupported(file_, "classes nested too deep in a pattern");
    ClassSet set;
    bool negated = false;
    if (peek() == '^') {
      negated = true;
      ++i_;
    }
    std::vector<ClassSet> done;
    bool first = true;
    for (;; first = false) {
      if (i_ >= in_.size()) fail("[ without ]");
      if (peek() == ']' && !first) break;
      if (at("&&")) {
        i_ += 2;
        done.push_back(std::exchange(set, {}));
        continue;
      }
      class_item(set, depth);
    }
    ++i_;
    set.also = std::move(done);
    set.negated = negated;
    return set;
  }

  void class_item(ClassSet& set, int depth) {
    if (at("[:")) {
      const std::size_t end = in_.find(":]", i_ + 2);
      if (end != std::string_view::npos) {
        set.items += in_.substr(i_, end + 2 - i_);
        i_ = end + 2;
        return;
      }
    }
    if (peek() == '[') {
      ++i_;
      ClassSet inner = parse_class(depth + 1);
      if (!inner.negated && inner.nested.empty() && inner.also.empty()) {
        set.items += inner.items;
      } else {
        set.nested.push_back(std::move(inner));
      }
      return;
    }
    char32_t low = 0;
    if (peek() == '\\') {
      ++i_;
      if (i_ == in_.size()) fail("\\ at the end");
      std::string items;
      bool negated = false;
      if (class_escape(items, negated)) {
        if (!negated) {
          set.items += items;
        } else {
          set.nested.push_back({true, std::move(items), {}, {}});
        }
        return;
      }
      low = char_escape(true);
    } else {
      low = next_char(in_, i_);
    }
    set.items += literal(low);
    if (peek() == '-' && peek(1) != ']' && peek(1) != '[' && i_ + 1 < in_.size()) range(set, low);
  }

  void range(ClassSet& set, char32_t low) {
    const std::size_t dash = i_++;
    char32_t high = 0;
    if (peek() == '\\') {
      ++i_;
      constexpr std::string_view kClasses = "wWhHdDsSpP";
      if (kClasses.find(peek()) != std::string_view::npos) {  // a- \d: the dash is a character
        i_ = dash + 1;
        set.items += literal('-');
        return;
      }
      high = char_escape(true);
    } else {
      high = next_char(in_, i_);
    }
    if (high < low) fail("empty range in a class");
    set.items += "-" + literal(high);
  }

  std::string_view in_;
  std::string_view file_;
  std::size_t i_ = 0;
  std::string out_;
  std::size_t atom_ = 0;             // where the last atom starts in out_
  std::vector<std::size_t> groups_;  // where open groups start in out_
};

}  // namespace

std::string translate_pattern(std::string_view pattern, std::string_view file) {
  if (!is_valid_utf8(pattern)) fail_malformed(file, "a pattern that is not UTF-8");
  return Translator(pattern, file).run();
}

}  // namespace halfbyte
