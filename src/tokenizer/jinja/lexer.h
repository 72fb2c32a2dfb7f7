// Splits a template into tokens: text between the tags, and what stands inside {{ }} and {% %}.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace halfbyte::jinja {

enum class TokenKind : std::uint8_t {
  kData,  // text outside of tags
  kVariableBegin,
  kVariableEnd,
  kBlockBegin,
  kBlockEnd,
  kName,
  kString,
  kInteger,
  kFloat,
  kOperator,  // text: "==", "(", ...
  kEnd,
};

struct Token {
  TokenKind kind = TokenKind::kEnd;
  std::uint32_t line = 1;
  std::string text;  // of strings: the decoded value
  std::int64_t integer = 0;
  double real = 0;

  bool is_name(std::string_view name) const { return kind == TokenKind::kName && text == name; }
  bool is_op(std::string_view op) const { return kind == TokenKind::kOperator && text == op; }
};

// White space around tags is already removed as trim_blocks, lstrip_blocks and the signs - and +
// ask. The last token is kEnd. Fails with kMalformed naming `file` and the line.
std::vector<Token> tokenize(std::string_view source, std::string_view file);

}  // namespace halfbyte::jinja
