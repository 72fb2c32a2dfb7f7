// The rules are those of the Jinja2 lexer with trim_blocks, lstrip_blocks and without
// keep_trailing_newline:
// - "-" beside a delimiter removes all white space on that side, "+" removes none;
// - otherwise one newline goes after a block or comment, and the blanks before one that starts
//   its line.
#include "tokenizer/jinja/lexer.h"

#include <algorithm>
#include <charconv>
#include <cstdlib>

#include <fmt/format.h>

#include "base/error.h"
#include "tokenizer/jinja/literal.h"
#include "tokenizer/jinja/text.h"

namespace halfbyte::jinja {

namespace {

constexpr std::size_t kNone = std::string_view::npos;

// All of them, longest first where one starts another.
constexpr std::string_view kOperators[] = {"//", "**", "==", "!=", ">=", "<=", "+", "-", "/",
                                           "*",  "%",  "~",  "[",  "]",  "(",  ")", "{", "}",
                                           ">",  "<",  "=",  ".",  ":",  "|",  ",", ";"};

// Line ends become \n, and the last one goes.
std::string normalized(std::string_view source) {
  std::string text;
  text.reserve(source.size());
  for (std::size_t i = 0; i < source.size(); ++i) {
    if (source[i] != '\r') {
      text += source[i];
      continue;
    }
    text += '\n';
    if (i + 1 < source.size() && source[i + 1] == '\n') ++i;
  }
  if (!text.empty() && text.back() == '\n') text.pop_back();
  return text;
}

class Lexer {
 public:
  Lexer(std::string_view source, std::string_view file)
      : source_(normalized(source)), file_(file), text_(source_) {}

  std::vector<Token> run() {
    while (at_ < text_.size()) next_piece();
    push(TokenKind::kEnd);
    return std::move(tokens_);
  }

 private:
  [[noreturn]] void fail(const std::string& what) const {
    fail_malformed(file_, fmt::format("line {}: {}", line_, what));
  }

  bool starts(std::string_view what, std::size_t at) const {
    return text_.substr(std::min(at, text_.size())).starts_with(what);
  }
  bool starts(std::string_view what) const { return starts(what, at_); }

  std::size_t skip_space(std::size_t at) const {
    while (at < text_.size()) {
      const CodePoint point = code_point_at(text_, at);
      if (!is_space(point.value)) break;
      at += point.bytes;
    }
    return at;
  }

  void move_to(std::size_t at) {
    line_ += static_cast<std::uint32_t>(std::count(text_.begin() + static_cast<std::ptrdiff_t>(at_),
                                                   text_.begin() + static_cast<std::ptrdiff_t>(at),
                                                   '\n'));
    at_ = at;
    line_starting_ = at > 0 && text_[at - 1] == '\n';
  }

  Token& push(TokenKind kind, std::string_view text = {}) {
    tokens_.push_back({kind, line_, std::string(text), 0, 0});
    return tokens_.back();
  }

  void push_data(std::string_view text) {
    if (!text.empty()) push(TokenKind::kData, text);
  }

  // `text` stands before a tag that begins with `sign` ('-', '+' or 0).
  std::string_view trimmed(std::string_view text, char sign, bool variable) const {
    if (sign == '-') return text_strip(text, nullptr, kRight);
    if (sign == '+' || variable) return text;
    const std::size_t newline = text.rfind('\n');
    const std::size_t start = newline == kNone ? 0 : newline + 1;
    if (start == 0 && !line_starting_) return text;
    const bool blank = text_strip(text.substr(start), nullptr, kBoth).empty();
    return blank ? text.substr(0, start) : text;
  }

  char sign_at(std::size_t at) const {
    return at < text_.size() && (text_[at] == '-' || text_[at] == '+') ? text_[at] : '\0';
  }

  // Text up to the next tag, and the tag.
  void next_piece() {
    std::size_t open = at_;
    do {
      open = text_.find('{', open);
      if (open == kNone || open + 1 == text_.size()) break;
      const char c = text_[open + 1];
      if (c == '{' || c == '%' || c == '#') break;
      ++open;
    } while (true);
    if (open == kNone || open + 1 >= text_.size()) {
      push_data(text_.substr(at_));
      move_to(text_.size());
      return;
    }
    const char kind = text_[open + 1];
    const char sign = sign_at(open + 2);
    push_data(trimmed(text_.substr(at_, open - at_), sign, kind == '{'));
    const std::size_t raw_end = kind == '%' ? raw_begin(open) : kNone;
    move_to(raw_end != kNone ? raw_end : open + (sign != '\0' ? 3 : 2));
    if (raw_end != kNone) return raw();
    if (kind == '#') return comment();
    tag(kind == '{');
  }

  // After "{% raw %}" that starts at `open`, or npos.
  std::size_t raw_begin(std::size_t open) const {
    std::size_t at = open + 2;
    // The sign may belong to the delimiter or be absent.
    if (sign_at(at) != '\0') ++at;
    at = skip_space(at);
    if (!starts("raw", at)) return kNone;
    at = skip_space(at + 3);
    if (starts("-%}", at)) return skip_space(at + 3);
    return starts("%}", at) ? at + 2 : kNone;
  }

  void raw() {
    for (std::size_t open = text_.find("{%", at_); open != kNone;
         open = text_.find("{%", open + 1)) {
      const char sign = sign_at(open + 2);
      std::size_t at = skip_space(open + (sign != '\0' ? 3 : 2));
      if (!starts("endraw", at)) continue;
      const std::size_t end = block_end(skip_space(at + 6), "%}");
      if (end == kNone) continue;
      push_data(trimmed(text_.substr(at_, open - at_), sign, false));
      move_to(end);
      return;
    }
    fail("Missing end of raw directive");
  }

  void comment() {
    for (std::size_t at = text_.find("#}", at_); at != kNone; at = text_.find("#}", at + 1)) {
      const char before = at > at_ ? text_[at - 1] : '\0';
      move_to(block_end(before == '-' || before == '+' ? at - 1 : at, "#}"));
      return;
    }
    fail("Missing end of comment tag");
  }

  // After the closing delimiter (with its sign and the white space that it takes) at `at`.
  std::size_t block_end(std::size_t at, std::string_view close) const {
    const char sign = sign_at(at);
    const std::size_t body = at + (sign != '\0' ? 1 : 0);
    if (!starts(close, body)) return kNone;
    const std::size_t after = body + close.size();
    if (sign == '-') return skip_space(after);
    return sign == '\0' && starts("\n", after) ? after + 1 : after;
  }

  // Inside {{ }} or {% %}.
  void tag(bool variable) {
    push(variable ? TokenKind::kVariableBegin : TokenKind::kBlockBegin);
    std::string open;  // brackets that wait for their end
    while (true) {
      move_to(skip_space(at_));
      if (at_ >= text_.size()) fail("unexpected end of template inside a tag");
      const std::size_t end = open.empty() ? tag_end(variable) : kNone;
      if (end != kNone) {
        push(variable ? TokenKind::kVariableEnd : TokenKind::kBlockEnd);
        move_to(end);
        return;
      }
      word(open);
    }
  }

  std::size_t tag_end(bool variable) const {
    if (!variable) return block_end(at_, "%}");
    if (starts("-}}")) return skip_space(at_ + 3);
    return starts("}}") ? at_ + 2 : kNone;
  }

  void word(std::string& open) {
    const char c = text_[at_];
    if (c >= '0' && c <= '9') return number();
    if (c == '\'' || c == '"') return string(c);
    if (is_word(code_point_at(text_, at_).value)) return name();
    for (const std::string_view op : kOperators) {
      if (!starts(op)) continue;
      balance(op[0], open);
      push(TokenKind::kOperator, op);
      move_to(at_ + op.size());
      return;
    }
    fail(fmt::format("unexpected char '{}'", c));
  }

  void balance(char c, std::string& open) const {
    if (c == '(') open += ')';
    if (c == '[') open += ']';
    if (c == '{') open += '}';
    if (c != ')' && c != ']' && c != '}') return;
    if (open.empty() || open.back() != c) fail(fmt::format("unexpected '{}'", c));
    open.pop_back();
  }

  void name() {
    std::size_t end = at_;
    while (end < text_.size()) {
      const CodePoint point = code_point_at(text_, end);
      if (!is_word(point.value)) break;
      end += point.bytes;
    }
    push(TokenKind::kName, text_.substr(at_, end - at_));
    move_to(end);
  }

  void string(char quote) {
    std::size_t end = at_ + 1;
    while (end < text_.size() && text_[end] != quote) end += text_[end] == '\\' ? 2 : 1;
    if (end >= text_.size()) fail("a string does not end");
    std::string value;
    if (!unescape(text_.substr(at_ + 1, end - at_ - 1), value)) fail("bad escape in a string");
    push(TokenKind::kString, value);
    move_to(end + 1);
  }

  void number() {
    const bool after_dot = at_ > 0 && text_[at_ - 1] == '.';
    NumberLiteral literal;
    if (!scan_number(text_.substr(at_), !after_dot, literal)) {
      fail("a number is malformed or does not fit 64 bits");
    }
    Token& token = push(literal.floating ? TokenKind::kFloat : TokenKind::kInteger);
    token.integer = literal.integer;
    token.real = literal.real;
    move_to(at_ + literal.length);
  }

  std::string source_;
  std::string_view file_;
  std::string_view text_;
  std::size_t at_ = 0;
  std::uint32_t line_ = 1;
  bool line_starting_ = true;  // the last piece ended a line, or there was none
  std::vector<Token> tokens_;
};

}  // namespace

std::vector<Token> tokenize(std::string_view source, std::string_view file) {
  if (!valid_utf8(source)) fail_malformed(file, "the chat template is not UTF-8");
  return Lexer(source, file).run();
}

}  // namespace halfbyte::jinja
