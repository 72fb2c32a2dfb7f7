// The small tools of the parser: nodes, tokens, failures.
#include <algorithm>

#include <fmt/format.h>

#include "base/error.h"
#include "tokenizer/jinja/parser.h"

namespace halfbyte::jinja {

namespace {

// Brackets and blocks inside each other, while parsing.
constexpr std::uint32_t kMaxNesting = 100;
// Levels of one expression tree, which postfix chains (a.b.c) add to as well.
constexpr std::uint32_t kMaxHeight = 150;

}  // namespace

Parser::Nest::Nest(Parser& p) : parser(p) {
  if (++parser.nesting_ > kMaxNesting) {
    --parser.nesting_;
    parser.fail("the template is nested too deeply");
  }
}

ExprPtr Parser::node(ExprKind kind) {
  auto result = std::make_unique<Expr>();
  result->kind = kind;
  result->line = peek().line;
  return result;
}

ExprPtr Parser::node(ExprKind kind, ExprPtr kid) {
  auto result = node(kind);
  add_kid(*result, std::move(kid));
  return result;
}

ExprPtr Parser::constant_text(std::string text) {
  auto result = node(ExprKind::kConstant);
  auto object = std::make_unique<StringObject>(std::move(text));
  result->value = Value(Kind::kString, object.get());
  result_.literals.push_back(std::move(object));
  return result;
}

void Parser::add_kid(Expr& parent, ExprPtr kid) {
  if (kid != nullptr) raise_height(parent, *kid);
  parent.kids.push_back(std::move(kid));
}

void Parser::raise_height(Expr& parent, const Expr& kid) {
  parent.height = std::max(parent.height, kid.height + 1);
  if (parent.height > kMaxHeight) fail("an expression is too long");
}

void Parser::raise_height_of_args(Expr& parent) {
  const ArgumentExprs& args = *parent.args;
  for (const auto& e : args.positional) raise_height(parent, *e);
  for (const auto& e : args.named) raise_height(parent, *e.second);
  if (args.star != nullptr) raise_height(parent, *args.star);
  if (args.star_star != nullptr) raise_height(parent, *args.star_star);
}

StmtPtr Parser::statement(StmtKind kind) {
  auto result = std::make_unique<Stmt>();
  result->kind = kind;
  result->line = peek().line;
  return result;
}

const Token& Parser::peek(std::size_t ahead) const {
  return tokens_[std::min(at_ + ahead, tokens_.size() - 1)];
}

Token Parser::take() {
  const Token& token = peek();
  if (at_ + 1 < tokens_.size()) ++at_;
  return token;
}

bool Parser::take_op(std::string_view op) {
  if (!peek().is_op(op)) return false;
  ++at_;
  return true;
}

bool Parser::take_name(std::string_view name) {
  if (!peek().is_name(name)) return false;
  ++at_;
  return true;
}

void Parser::expect_op(std::string_view op) {
  if (!take_op(op)) fail(fmt::format("expected '{}', got '{}'", op, peek().text));
}

std::string Parser::expect_name() {
  if (peek().kind != TokenKind::kName) fail(fmt::format("expected a name, got '{}'", peek().text));
  return take().text;
}

void Parser::expect_kind(TokenKind kind, std::string_view what) {
  if (peek().kind != kind) fail(fmt::format("expected {}, got '{}'", what, peek().text));
  if (kind != TokenKind::kEnd) ++at_;
}

void Parser::fail(const std::string& what) const {
  fail_malformed(file_, fmt::format("line {}: {}", peek().line, what));
}

void Parser::fail_unknown(const std::string& what) const {
  fail_unsupported(file_, fmt::format("line {}: {}", peek().line, what));
}

}  // namespace halfbyte::jinja
