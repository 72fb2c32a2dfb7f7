// Recursive descent over the tokens, with the precedence of Jinja2.
//
// Chains of one operator become one node with many kids, so that a long sum is not deep; whatever
// does nest (brackets, blocks, postfix chains) is limited, because the stack is.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "tokenizer/jinja/ast.h"
#include "tokenizer/jinja/lexer.h"

namespace halfbyte::jinja {

struct OpName {
  std::string_view text;
  Op op;
};

class Parser {
 public:
  Parser(std::string_view source, std::string_view file);
  Template run();

 private:
  using ParseFn = ExprPtr (Parser::*)();
  using Ends = std::vector<std::string_view>;

  // parser.cpp: statements
  Block parse_until(const Ends& ends);
  Block parse_body(const Ends& ends);
  void parse_end(std::string_view name);
  StmtPtr parse_statement();
  StmtPtr parse_if();
  StmtPtr parse_for();
  StmtPtr parse_set();
  StmtPtr parse_macro();
  StmtPtr parse_call_block();
  StmtPtr parse_filter_block();
  StmtPtr parse_with();
  StmtPtr parse_generation();
  StmtPtr parse_print();
  StmtPtr parse_loop_control();
  void parse_signature(MacroDef& macro);
  void parse_macro_body(Stmt& stmt, std::string_view end);
  Target parse_target(bool with_namespace, std::string_view end_name = {});
  Target parse_target_part(bool with_namespace);
  std::uint32_t parse_target_name();

  // parser_expr.cpp: expressions
  ExprPtr parse_expression();
  ExprPtr parse_or();
  ExprPtr parse_and();
  ExprPtr parse_not();
  ExprPtr parse_compare();
  ExprPtr parse_arithmetic(std::span<const OpName> ops, ParseFn operand);
  ExprPtr parse_sum();
  ExprPtr parse_concat();
  ExprPtr parse_product();
  ExprPtr parse_power();
  ExprPtr parse_unary_filtered() { return parse_unary(true); }
  ExprPtr parse_unary(bool with_filter);
  ExprPtr parse_primary();
  ExprPtr parse_tuple(bool with_condition, bool in_brackets, std::string_view end_name = {});
  ExprPtr parse_list();
  ExprPtr parse_dict();
  ExprPtr parse_postfix(ExprPtr node);
  ExprPtr parse_filters(ExprPtr node);
  ExprPtr parse_filter(ExprPtr node);
  ExprPtr parse_test(ExprPtr node);
  ExprPtr parse_call(ExprPtr node);
  ExprPtr parse_attribute(ExprPtr node);
  ExprPtr parse_subscript(ExprPtr node);
  ExprPtr parse_subscript_part(ExprPtr node, ExprPtr& plain);
  std::unique_ptr<ArgumentExprs> parse_args();
  ExprPtr parse_chain(ExprKind kind, std::string_view word, ParseFn next);
  bool tuple_ends(std::string_view end_name) const;
  bool parse_compare_op(Op& op);
  std::string parse_dotted_name();

  // parser_nodes.cpp: nodes, tokens, failures
  ExprPtr node(ExprKind kind);
  ExprPtr node(ExprKind kind, ExprPtr kid);
  ExprPtr constant_text(std::string text);
  void add_kid(Expr& parent, ExprPtr kid);
  void raise_height_of_args(Expr& parent);
  void raise_height(Expr& parent, const Expr& kid);
  StmtPtr statement(StmtKind kind);
  const Token& peek(std::size_t ahead = 0) const;
  Token take();
  bool take_op(std::string_view op);
  bool take_name(std::string_view name);
  void expect_op(std::string_view op);
  std::string expect_name();
  void expect_kind(TokenKind kind, std::string_view what);
  [[noreturn]] void fail(const std::string& what) const;
  [[noreturn]] void fail_unknown(const std::string& what) const;

  // Counts one level of nesting while it lives.
  struct Nest {
    explicit Nest(Parser& parser);
    ~Nest() { --parser.nesting_; }
    Nest(const Nest&) = delete;
    Nest& operator=(const Nest&) = delete;
    Parser& parser;
  };

  std::string file_;
  std::vector<Token> tokens_;
  std::size_t at_ = 0;
  std::uint32_t nesting_ = 0;
  std::uint32_t loops_ = 0;  // that `break` could leave
  // Messages about unknown filters and tests. Inside of a condition they are dropped again: there
  // they matter only when they are reached.
  std::vector<std::string> unknown_;
  std::vector<MacroDef*> macros_;  // that enclose the current place
  Template result_;
};

}  // namespace halfbyte::jinja
