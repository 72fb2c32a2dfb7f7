// Expressions, from the loosest operator to the tightest.
#include <algorithm>

#include <fmt/format.h>

#include "tokenizer/jinja/builtins.h"
#include "tokenizer/jinja/parser.h"

namespace halfbyte::jinja {

namespace {

constexpr OpName kComparisons[] = {{"==", Op::kEq}, {"!=", Op::kNe}, {"<", Op::kLt},
                                   {"<=", Op::kLe}, {">", Op::kGt},  {">=", Op::kGe}};
constexpr OpName kSums[] = {{"+", Op::kAdd}, {"-", Op::kSub}};
constexpr OpName kProducts[] = {
    {"*", Op::kMul}, {"/", Op::kDiv}, {"//", Op::kFloorDiv}, {"%", Op::kMod}};
constexpr OpName kPowers[] = {{"**", Op::kPow}};

struct WordConstant {
  std::string_view word;
  bool none;
  bool value;
};

constexpr WordConstant kWordConstants[] = {{"true", false, true},   {"True", false, true},
                                           {"false", false, false}, {"False", false, false},
                                           {"none", true, false},   {"None", true, false}};

const OpName* find_op(std::span<const OpName> table, const Token& token) {
  for (const OpName& row : table) {
    if (token.is_op(row.text)) return &row;
  }
  return nullptr;
}

}  // namespace

ExprPtr Parser::parse_expression() {
  const Nest nest(*this);
  const std::size_t known = unknown_.size();
  ExprPtr value = parse_or();
  while (take_name("if")) {
    auto condition = node(ExprKind::kCondition, parse_or());
    add_kid(*condition, std::move(value));
    add_kid(*condition, take_name("else") ? parse_expression() : nullptr);
    unknown_.resize(known);
    value = std::move(condition);
  }
  return value;
}

ExprPtr Parser::parse_chain(ExprKind kind, std::string_view word, ParseFn next) {
  ExprPtr first = (this->*next)();
  const auto follows = [&] { return kind == ExprKind::kConcat ? take_op(word) : take_name(word); };
  if (!follows()) return first;
  auto chain = node(kind, std::move(first));
  do {
    add_kid(*chain, (this->*next)());
  } while (follows());
  return chain;
}

ExprPtr Parser::parse_or() {
  return parse_chain(ExprKind::kOr, "or", &Parser::parse_and);
}
ExprPtr Parser::parse_and() {
  return parse_chain(ExprKind::kAnd, "and", &Parser::parse_not);
}
ExprPtr Parser::parse_concat() {
  return parse_chain(ExprKind::kConcat, "~", &Parser::parse_product);
}

ExprPtr Parser::parse_not() {
  if (!take_name("not")) return parse_compare();
  const Nest nest(*this);
  return node(ExprKind::kNot, parse_not());
}

bool Parser::parse_compare_op(Op& op) {
  if (const OpName* row = find_op(kComparisons, peek())) {
    op = row->op;
    ++at_;
    return true;
  }
  if (take_name("in")) {
    op = Op::kIn;
    return true;
  }
  if (!peek().is_name("not") || !peek(1).is_name("in")) return false;
  at_ += 2;
  op = Op::kNotIn;
  return true;
}

ExprPtr Parser::parse_compare() {
  ExprPtr first = parse_sum();
  Op op{};
  if (!parse_compare_op(op)) return first;
  auto chain = node(ExprKind::kCompare, std::move(first));
  do {
    chain->ops.push_back(op);
    add_kid(*chain, parse_sum());
  } while (parse_compare_op(op));
  return chain;
}

// The three levels of arithmetic differ in their operators and operands only.
ExprPtr Parser::parse_arithmetic(std::span<const OpName> ops, ParseFn operand) {
  ExprPtr first = (this->*operand)();
  const OpName* row = find_op(ops, peek());
  if (row == nullptr) return first;
  auto chain = node(ExprKind::kArithmetic, std::move(first));
  for (; row != nullptr; row = find_op(ops, peek())) {
    ++at_;
    chain->ops.push_back(row->op);
    add_kid(*chain, (this->*operand)());
  }
  return chain;
}

ExprPtr Parser::parse_sum() {
  return parse_arithmetic(kSums, &Parser::parse_concat);
}
ExprPtr Parser::parse_product() {
  return parse_arithmetic(kProducts, &Parser::parse_power);
}
ExprPtr Parser::parse_power() {
  return parse_arithmetic(kPowers, &Parser::parse_unary_filtered);
}

ExprPtr Parser::parse_unary(bool with_filter) {
  const Nest nest(*this);
  ExprPtr result;
  if (take_op("-")) {
    result = node(ExprKind::kNegate, parse_unary(false));
  } else if (take_op("+")) {
    result = node(ExprKind::kPlus, parse_unary(false));
  } else {
    result = parse_primary();
  }
  result = parse_postfix(std::move(result));
  return with_filter ? parse_filters(std::move(result)) : std::move(result);
}

ExprPtr Parser::parse_primary() {
  const Token token = take();
  if (token.kind == TokenKind::kString) {
    std::string text = token.text;
    while (peek().kind == TokenKind::kString) text += take().text;
    return constant_text(std::move(text));
  }
  if (token.kind == TokenKind::kInteger || token.kind == TokenKind::kFloat) {
    auto number = node(ExprKind::kConstant);
    number->value =
        token.kind == TokenKind::kFloat ? Value::of(token.real) : Value::of(token.integer);
    return number;
  }
  if (token.is_op("(")) {
    ExprPtr inner = parse_tuple(true, true);
    expect_op(")");
    return inner;
  }
  if (token.is_op("[")) return parse_list();
  if (token.is_op("{")) return parse_dict();
  if (token.kind != TokenKind::kName) fail(fmt::format("unexpected '{}'", token.text));
  for (const WordConstant& row : kWordConstants) {
    if (token.text != row.word) continue;
    auto constant = node(ExprKind::kConstant);
    constant->value = row.none ? Value::none() : Value::of(row.value);
    return constant;
  }
  auto name = node(ExprKind::kName);
  name->text = token.text;
  name->symbol = result_.symbols.number(token.text);
  for (MacroDef* macro : macros_) {
    macro->uses_caller |= token.text == "caller";
    macro->uses_varargs |= token.text == "varargs";
    macro->uses_kwargs |= token.text == "kwargs";
  }
  return name;
}

bool Parser::tuple_ends(std::string_view end_name) const {
  const Token& token = peek();
  return token.kind == TokenKind::kVariableEnd || token.kind == TokenKind::kBlockEnd ||
         token.is_op(")") || (!end_name.empty() && token.is_name(end_name));
}

ExprPtr Parser::parse_tuple(bool with_condition, bool in_brackets, std::string_view end_name) {
  std::vector<ExprPtr> items;
  bool tuple = false;
  while (!tuple_ends(end_name)) {
    items.push_back(with_condition ? parse_expression() : parse_or());
    if (!take_op(",")) break;
    tuple = true;
  }
  if (!tuple && items.size() == 1) return std::move(items[0]);
  if (!tuple && !in_brackets) fail(fmt::format("expected an expression, got '{}'", peek().text));
  auto result = node(ExprKind::kTuple);
  for (ExprPtr& item : items) add_kid(*result, std::move(item));
  return result;
}

ExprPtr Parser::parse_list() {
  auto list = node(ExprKind::kList);
  while (!take_op("]")) {
    if (!list->kids.empty()) expect_op(",");
    if (take_op("]")) break;
    add_kid(*list, parse_expression());
  }
  return list;
}

ExprPtr Parser::parse_dict() {
  auto dict = node(ExprKind::kDict);
  while (!take_op("}")) {
    if (!dict->kids.empty()) expect_op(",");
    if (take_op("}")) break;
    add_kid(*dict, parse_expression());
    expect_op(":");
    add_kid(*dict, parse_expression());
  }
  return dict;
}

ExprPtr Parser::parse_postfix(ExprPtr result) {
  while (true) {
    if (take_op(".")) {
      result = parse_attribute(std::move(result));
    } else if (take_op("[")) {
      result = parse_subscript(std::move(result));
    } else if (peek().is_op("(")) {
      result = parse_call(std::move(result));
    } else {
      return result;
    }
  }
}

ExprPtr Parser::parse_filters(ExprPtr result) {
  while (true) {
    if (take_op("|")) {
      result = parse_filter(std::move(result));
    } else if (take_name("is")) {
      result = parse_test(std::move(result));
    } else if (peek().is_op("(")) {
      result = parse_call(std::move(result));
    } else {
      return result;
    }
  }
}

ExprPtr Parser::parse_attribute(ExprPtr object) {
  const Token name = take();
  if (name.kind == TokenKind::kName) {
    auto result = node(ExprKind::kAttribute, std::move(object));
    result->text = name.text;
    return result;
  }
  if (name.kind != TokenKind::kInteger) fail("expected a name or a number after '.'");
  auto result = node(ExprKind::kItem, std::move(object));
  auto index = node(ExprKind::kConstant);
  index->value = Value::of(name.integer);
  add_kid(*result, std::move(index));
  return result;
}

// One part of what stands in brackets: a slice of `object`, which it then takes, or a plain index.
ExprPtr Parser::parse_subscript_part(ExprPtr object, ExprPtr& plain) {
  ExprPtr parts[3];
  const auto part_follows = [&] {
    return !peek().is_op("]") && !peek().is_op(",") && !peek().is_op(":");
  };
  if (part_follows()) parts[0] = parse_expression();
  if (!take_op(":")) {
    if (parts[0] == nullptr) fail("expected an index");
    plain = std::move(parts[0]);
    return object;
  }
  if (part_follows()) parts[1] = parse_expression();
  if (take_op(":") && part_follows()) parts[2] = parse_expression();
  auto slice = node(ExprKind::kSlice, std::move(object));
  for (ExprPtr& part : parts) add_kid(*slice, std::move(part));
  return slice;
}

ExprPtr Parser::parse_subscript(ExprPtr object) {
  ExprPtr index;
  object = parse_subscript_part(std::move(object), index);
  if (index == nullptr) {
    expect_op("]");
    return object;
  }
  if (peek().is_op(",")) {  // a tuple as the key
    auto tuple = node(ExprKind::kTuple, std::move(index));
    while (take_op(",")) add_kid(*tuple, parse_expression());
    index = std::move(tuple);
  }
  expect_op("]");
  auto result = node(ExprKind::kItem, std::move(object));
  add_kid(*result, std::move(index));
  return result;
}

std::unique_ptr<ArgumentExprs> Parser::parse_args() {
  auto args = std::make_unique<ArgumentExprs>();
  expect_op("(");
  bool first = true;
  while (!take_op(")")) {
    if (!first) expect_op(",");
    first = false;
    if (take_op(")")) break;
    const bool after_stars = args->star != nullptr || args->star_star != nullptr;
    if (take_op("*")) {
      if (after_stars) fail("bad argument list");
      args->star = parse_expression();
    } else if (take_op("**")) {
      if (args->star_star != nullptr) fail("bad argument list");
      args->star_star = parse_expression();
    } else if (peek().kind == TokenKind::kName && peek(1).is_op("=")) {
      if (args->star_star != nullptr) fail("bad argument list");
      std::string name = take().text;
      ++at_;
      args->named.emplace_back(std::move(name), parse_expression());
    } else {
      if (after_stars || !args->named.empty()) fail("bad argument list");
      args->positional.push_back(parse_expression());
    }
  }
  return args;
}

ExprPtr Parser::parse_call(ExprPtr callee) {
  auto call = node(ExprKind::kCall, std::move(callee));
  call->args = parse_args();
  raise_height_of_args(*call);
  return call;
}

std::string Parser::parse_dotted_name() {
  std::string name = expect_name();
  while (take_op(".")) name += "." + expect_name();
  return name;
}

ExprPtr Parser::parse_filter(ExprPtr value) {
  auto filter = node(ExprKind::kFilter, std::move(value));
  filter->text = parse_dotted_name();
  filter->builtin = find_filter(filter->text);
  if (filter->builtin == nullptr) {
    unknown_.push_back(fmt::format("line {}: No filter named '{}'.", filter->line, filter->text));
  }
  filter->args = peek().is_op("(") ? parse_args() : std::make_unique<ArgumentExprs>();
  raise_height_of_args(*filter);
  return filter;
}

ExprPtr Parser::parse_test(ExprPtr value) {
  const bool negated = take_name("not");
  auto test = node(ExprKind::kTest, std::move(value));
  test->text = parse_dotted_name();
  test->builtin = find_test(test->text);
  if (test->builtin == nullptr) {
    unknown_.push_back(fmt::format("line {}: No test named '{}'.", test->line, test->text));
  }
  const Token& next = peek();
  const bool word = next.kind == TokenKind::kName && next.text != "else" && next.text != "or" &&
                    next.text != "and";
  const bool literal = next.kind == TokenKind::kString || next.kind == TokenKind::kInteger ||
                       next.kind == TokenKind::kFloat || next.is_op("[") || next.is_op("{");
  if (next.is_op("(")) {
    test->args = parse_args();
  } else {
    test->args = std::make_unique<ArgumentExprs>();
    if (next.is_name("is")) fail("You cannot chain multiple tests with is");
    if (word || literal) {
      const Nest nest(*this);
      test->args->positional.push_back(parse_postfix(parse_primary()));
    }
  }
  raise_height_of_args(*test);
  return negated ? node(ExprKind::kNot, std::move(test)) : std::move(test);
}

}  // namespace halfbyte::jinja
