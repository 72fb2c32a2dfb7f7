// Statements.
#include "tokenizer/jinja/parser.h"

#include <algorithm>
#include <utility>

#include <fmt/format.h>

#include "base/error.h"
#include "tokenizer/jinja/builtins.h"

namespace halfbyte::jinja {

Parser::Parser(std::string_view source, std::string_view file)
    : file_(file), tokens_(tokenize(source, file)) {
  result_.file = file_;
}

Template Parser::run() {
  result_.body = parse_until({});
  if (peek().kind != TokenKind::kEnd) {
    fail(fmt::format("Encountered unknown tag '{}'.", peek().text));
  }
  if (!unknown_.empty()) fail_unsupported(file_, unknown_.front());
  return std::move(result_);
}

// Pieces up to a tag that is one of `ends`, whose name is the next token then.
Block Parser::parse_until(const Ends& ends) {
  const Nest nest(*this);
  Block block;
  while (peek().kind != TokenKind::kEnd) {
    const Token token = take();
    if (token.kind == TokenKind::kData) {
      auto text = statement(StmtKind::kText);
      text->text = token.text;
      block.push_back(std::move(text));
    } else if (token.kind == TokenKind::kVariableBegin) {
      auto output = statement(StmtKind::kOutput);
      output->expr = parse_tuple(true, false);
      expect_kind(TokenKind::kVariableEnd, "'}}'");
      block.push_back(std::move(output));
    } else {
      const auto ends_here = [&](std::string_view end) { return peek().is_name(end); };
      if (std::any_of(ends.begin(), ends.end(), ends_here)) return block;
      block.push_back(parse_statement());
      expect_kind(TokenKind::kBlockEnd, "'%}'");
    }
  }
  if (!ends.empty()) fail(fmt::format("the template ends where '{}' is missing", ends.back()));
  return block;
}

// The rest of an opening tag, and its body.
Block Parser::parse_body(const Ends& ends) {
  take_op(":");
  expect_kind(TokenKind::kBlockEnd, "'%}'");
  return parse_until(ends);
}

StmtPtr Parser::parse_statement() {
  struct Row {
    std::string_view tag;
    StmtPtr (Parser::*parse)();
  };
  static constexpr Row kRows[] = {
      {"if", &Parser::parse_if},
      {"for", &Parser::parse_for},
      {"set", &Parser::parse_set},
      {"macro", &Parser::parse_macro},
      {"call", &Parser::parse_call_block},
      {"filter", &Parser::parse_filter_block},
      {"with", &Parser::parse_with},
      {"generation", &Parser::parse_generation},
      {"print", &Parser::parse_print},
      {"break", &Parser::parse_loop_control},
      {"continue", &Parser::parse_loop_control},
  };
  static constexpr std::string_view kRefused[] = {"include", "import", "extends",
                                                  "from",    "block",  "autoescape"};
  if (peek().kind != TokenKind::kName) fail("tag name expected");
  const std::string& tag = peek().text;
  for (const Row& row : kRows) {
    if (tag == row.tag) return (this->*row.parse)();
  }
  if (std::find(std::begin(kRefused), std::end(kRefused), tag) != std::end(kRefused)) {
    fail_unknown(fmt::format("the tag '{}' is not supported", tag));
  }
  if (tag.starts_with("end") || tag == "else" || tag == "elif") {
    fail(fmt::format("Encountered '{}' where nothing is open.", tag));
  }
  fail_unknown(fmt::format("Encountered unknown tag '{}'.", tag));
}

StmtPtr Parser::parse_if() {
  auto stmt = statement(StmtKind::kIf);
  const std::size_t known = unknown_.size();
  std::string tag;
  do {
    ++at_;
    stmt->exprs.push_back(parse_tuple(false, false));
    stmt->branches.push_back(parse_body({"elif", "else", "endif"}));
    tag = peek().text;
  } while (tag == "elif");
  ++at_;
  if (tag == "else") {
    stmt->other = parse_body({"endif"});
    ++at_;
  }
  unknown_.resize(known);
  return stmt;
}

StmtPtr Parser::parse_for() {
  auto loop = statement(StmtKind::kFor);
  ++at_;
  loop->target = parse_target(false, "in");
  if (!take_name("in")) fail("expected 'in'");
  loop->expr = parse_tuple(false, false, "recursive");
  if (take_name("if")) loop->test = parse_expression();
  loop->recursive = take_name("recursive");
  ++loops_;
  loop->body = parse_body({"else", "endfor"});
  --loops_;
  if (take().text == "else") {
    loop->other = parse_body({"endfor"});
    ++at_;
  }
  return loop;
}

StmtPtr Parser::parse_set() {
  auto set = statement(StmtKind::kSet);
  ++at_;
  set->target = parse_target(true);
  if (take_op("=")) {
    set->expr = parse_tuple(true, false);
    return set;
  }
  set->kind = StmtKind::kSetBlock;
  while (take_op("|")) set->expr = parse_filter(std::move(set->expr));
  set->body = parse_body({"endset"});
  ++at_;
  return set;
}

void Parser::parse_signature(MacroDef& macro) {
  expect_op("(");
  while (!take_op(")")) {
    if (!macro.names.empty()) expect_op(",");
    if (take_op(")")) break;
    macro.names.push_back(peek().text);
    macro.symbols.push_back(parse_target_name());
    if (take_op("=")) {
      macro.defaults.push_back(parse_expression());
    } else if (!macro.defaults.empty()) {
      fail("non-default argument follows default argument");
    }
  }
}

void Parser::parse_macro_body(Stmt& stmt, std::string_view end) {
  macros_.push_back(&stmt.macro);
  const std::uint32_t loops = std::exchange(loops_, 0);
  stmt.body = parse_body({end});
  loops_ = loops;
  ++at_;
  macros_.pop_back();
}

StmtPtr Parser::parse_macro() {
  auto stmt = statement(StmtKind::kMacro);
  ++at_;
  stmt->macro.name = peek().text;
  stmt->macro.symbol = parse_target_name();
  parse_signature(stmt->macro);
  parse_macro_body(*stmt, "endmacro");
  return stmt;
}

StmtPtr Parser::parse_call_block() {
  auto stmt = statement(StmtKind::kCallBlock);
  ++at_;
  stmt->macro.name = "caller";
  if (peek().is_op("(")) parse_signature(stmt->macro);
  stmt->expr = parse_expression();
  if (stmt->expr->kind != ExprKind::kCall) fail("expected a call");
  parse_macro_body(*stmt, "endcall");
  return stmt;
}

StmtPtr Parser::parse_filter_block() {
  auto stmt = statement(StmtKind::kFilter);
  ++at_;
  stmt->expr = parse_filter(nullptr);
  while (take_op("|")) stmt->expr = parse_filter(std::move(stmt->expr));
  stmt->body = parse_body({"endfilter"});
  ++at_;
  return stmt;
}

StmtPtr Parser::parse_with() {
  auto stmt = statement(StmtKind::kWith);
  ++at_;
  while (peek().kind != TokenKind::kBlockEnd) {
    if (!stmt->targets.empty()) expect_op(",");
    stmt->targets.push_back(parse_target(false));
    expect_op("=");
    stmt->exprs.push_back(parse_expression());
  }
  stmt->body = parse_body({"endwith"});
  ++at_;
  return stmt;
}

StmtPtr Parser::parse_generation() {
  auto stmt = statement(StmtKind::kScope);
  ++at_;
  const std::uint32_t loops = std::exchange(loops_, 0);
  stmt->body = parse_body({"endgeneration"});
  loops_ = loops;
  ++at_;
  return stmt;
}

StmtPtr Parser::parse_print() {
  auto stmt = statement(StmtKind::kOutput);
  ++at_;
  stmt->expr = node(ExprKind::kConcat);
  do {
    add_kid(*stmt->expr, parse_expression());
  } while (take_op(","));
  return stmt;
}

StmtPtr Parser::parse_loop_control() {
  if (loops_ == 0) fail(fmt::format("'{}' outside of a loop", peek().text));
  auto stmt = statement(peek().text == "break" ? StmtKind::kBreak : StmtKind::kContinue);
  ++at_;
  return stmt;
}

std::uint32_t Parser::parse_target_name() {
  static constexpr std::string_view kConstants[] = {"true", "false", "none",
                                                    "True", "False", "None"};
  const std::string name = expect_name();
  if (std::find(std::begin(kConstants), std::end(kConstants), name) != std::end(kConstants)) {
    fail(fmt::format("can't assign to '{}'", name));
  }
  return result_.symbols.number(name);
}

Target Parser::parse_target_part(bool with_namespace) {
  Target target;
  if (take_op("(")) {
    target = parse_target(with_namespace);
    expect_op(")");
    return target;
  }
  target.symbol = parse_target_name();
  if (!with_namespace || !take_op(".")) return target;
  target.kind = Target::Kind::kAttribute;
  target.attribute = expect_name();
  return target;
}

Target Parser::parse_target(bool with_namespace, std::string_view end_name) {
  const Nest nest(*this);
  Target tuple;
  tuple.kind = Target::Kind::kTuple;
  bool comma = false;
  do {
    if (!tuple.parts.empty() && (tuple_ends(end_name) || peek().is_op("="))) break;
    tuple.parts.push_back(parse_target_part(with_namespace));
    comma = comma || peek().is_op(",");
  } while (take_op(","));
  return comma ? std::move(tuple) : std::move(tuple.parts[0]);
}

}  // namespace halfbyte::jinja
