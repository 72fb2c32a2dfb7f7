// Expressions.
#include <fmt/format.h>

#include "tokenizer/jinja/interpreter.h"

namespace halfbyte::jinja {

Value Interpreter::eval(const Expr& expr) {
  const Level level(*this);
  charge(1);
  line_ = expr.line;
  switch (expr.kind) {
    case ExprKind::kConstant:
      return expr.value;
    case ExprKind::kName:
      return eval_name(expr);
    case ExprKind::kList:
    case ExprKind::kTuple:
      return eval_sequence(expr);
    case ExprKind::kDict:
      return eval_dict(expr);
    case ExprKind::kCondition:
      return eval_condition(expr);
    case ExprKind::kOr:
    case ExprKind::kAnd:
      return eval_logic(expr);
    case ExprKind::kNot:
      return Value::of(!truthy(eval(*expr.kids[0])));
    case ExprKind::kCompare:
      return eval_compare(expr);
    case ExprKind::kArithmetic:
      return eval_arithmetic(expr);
    case ExprKind::kConcat:
      return eval_concat(expr);
    case ExprKind::kNegate:
      return negate(eval(*expr.kids[0]));
    case ExprKind::kPlus:
      return negate(negate(eval(*expr.kids[0])));
    case ExprKind::kAttribute:
      return attribute(eval(*expr.kids[0]), expr.text);
    case ExprKind::kItem: {
      const Value object = eval(*expr.kids[0]);
      return item(object, eval(*expr.kids[1]));
    }
    case ExprKind::kSlice:
      return eval_slice(expr);
    case ExprKind::kCall:
      return eval_call(expr);
    case ExprKind::kFilter:
      return eval_filtered(expr, eval(*expr.kids[0]));
    case ExprKind::kTest:
      return eval_test(expr);
  }
  fail("unknown expression");
}

Value Interpreter::eval_name(const Expr& expr) {
  for (Frame* f = frame_; f != nullptr; f = f->parent) {
    if (const Value* value = f->find(expr.symbol)) return *value;
  }
  const Value& global = globals_[expr.symbol];
  if (global.undefined() && global.object == nullptr) {
    return undefined(fmt::format("'{}' is undefined", expr.text));
  }
  return global;
}

Value Interpreter::eval_sequence(const Expr& expr) {
  std::vector<Value> items;
  items.reserve(expr.kids.size());
  for (const ExprPtr& kid : expr.kids) items.push_back(eval(*kid));
  return expr.kind == ExprKind::kList ? list(std::move(items)) : tuple(std::move(items));
}

Value Interpreter::eval_dict(const Expr& expr) {
  DictObject& result = dict();
  for (std::size_t i = 0; i < expr.kids.size(); i += 2) {
    const Value key = eval(*expr.kids[i]);
    dict_set(result, key, eval(*expr.kids[i + 1]));
  }
  return Value(Kind::kDict, &result);
}

Value Interpreter::eval_condition(const Expr& expr) {
  if (truthy(eval(*expr.kids[0]))) return eval(*expr.kids[1]);
  if (expr.kids[2] != nullptr) return eval(*expr.kids[2]);
  return undefined("the inline if-expression evaluated to false and no else section was defined.");
}

// `and` and `or` return an operand, not a boolean.
Value Interpreter::eval_logic(const Expr& expr) {
  const bool decisive = expr.kind == ExprKind::kOr;
  Value value;
  for (const ExprPtr& kid : expr.kids) {
    value = eval(*kid);
    if (truthy(value) == decisive) break;
  }
  return value;
}

Value Interpreter::eval_compare(const Expr& expr) {
  Value left = eval(*expr.kids[0]);
  for (std::size_t i = 0; i < expr.ops.size(); ++i) {
    const Value right = eval(*expr.kids[i + 1]);
    if (!compare(expr.ops[i], left, right)) return Value::of(false);
    left = right;
  }
  return Value::of(true);
}

Value Interpreter::eval_arithmetic(const Expr& expr) {
  Value left = eval(*expr.kids[0]);
  for (std::size_t i = 0; i < expr.ops.size(); ++i) {
    left = arithmetic(expr.ops[i], left, eval(*expr.kids[i + 1]));
  }
  return left;
}

Value Interpreter::eval_concat(const Expr& expr) {
  std::string joined;
  for (const ExprPtr& kid : expr.kids) {
    const Value value = eval(*kid);
    const std::string piece = str(value);
    check_text(joined.size() + piece.size());
    joined += piece;
  }
  return text(std::move(joined));
}

Value Interpreter::eval_slice(const Expr& expr) {
  const Value object = eval(*expr.kids[0]);
  Value parts[3];
  const Value* given[3] = {};
  for (std::size_t i = 0; i < 3; ++i) {
    if (expr.kids[i + 1] == nullptr) continue;
    parts[i] = eval(*expr.kids[i + 1]);
    given[i] = &parts[i];
  }
  return slice(object, given[0], given[1], given[2]);
}

Arguments Interpreter::eval_args(const ArgumentExprs& exprs) {
  Arguments args;
  for (const ExprPtr& e : exprs.positional) args.positional.push_back(eval(*e));
  for (const auto& [name, e] : exprs.named) args.named.emplace_back(name, eval(*e));
  if (exprs.star != nullptr) {
    for (const Value& value : iterate(eval(*exprs.star))) args.positional.push_back(value);
  }
  if (exprs.star_star == nullptr) return args;
  const Value more = eval(*exprs.star_star);
  if (!more.is(Kind::kDict)) fail("the argument after ** must be a mapping");
  for (const auto& [key, value] : more.as<DictObject>().entries) {
    if (!key.string()) fail("keywords must be strings");
    args.named.emplace_back(key.text(), value);
  }
  return args;
}

Value Interpreter::eval_call(const Expr& expr) {
  const Value callee = eval(*expr.kids[0]);
  Arguments args = eval_args(*expr.args);
  line_ = expr.line;
  return call(callee, args);
}

Value Interpreter::eval_filtered(const Expr& expr, const Value& input) {
  if (expr.builtin == nullptr) fail(fmt::format("No filter named '{}' found.", expr.text));
  Arguments args = eval_args(*expr.args);
  line_ = expr.line;
  return call_builtin(*expr.builtin, input, args);
}

Value Interpreter::eval_test(const Expr& expr) {
  if (expr.builtin == nullptr) fail(fmt::format("No test named '{}' found.", expr.text));
  const Value input = eval(*expr.kids[0]);
  Arguments args = eval_args(*expr.args);
  line_ = expr.line;
  return call_builtin(*expr.builtin, input, args);
}

// Of a filter block: the innermost filter has no operand, it takes the block's text.
Value Interpreter::eval_filter_chain(const Expr& expr, const Value& input) {
  const Level level(*this);
  if (expr.kids[0] == nullptr) return eval_filtered(expr, input);
  return eval_filtered(expr, eval_filter_chain(*expr.kids[0], input));
}

}  // namespace halfbyte::jinja
