// The parsed template: statements hold expressions; the evaluator only reads them.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "tokenizer/jinja/value.h"

namespace halfbyte::jinja {

struct Builtin;
struct Expr;
struct Stmt;
using ExprPtr = std::unique_ptr<Expr>;
using StmtPtr = std::unique_ptr<Stmt>;
using Block = std::vector<StmtPtr>;

enum class ExprKind : std::uint8_t {
  kConstant,    // value
  kName,        // symbol
  kList,        // kids
  kTuple,       // kids
  kDict,        // kids: key, value, key, value, ...
  kCondition,   // kids: test, then, else (may be null)
  kOr,          // kids, left to right
  kAnd,         // kids
  kNot,         // kids[0]
  kCompare,     // kids[0] ops[0] kids[1] ops[1] kids[2] ...
  kArithmetic,  // the same shape: a chain of operators of one precedence
  kConcat,      // kids
  kNegate,      // kids[0]
  kPlus,        // kids[0]
  kAttribute,   // kids[0].text
  kItem,        // kids[0][kids[1]]
  kSlice,       // kids[0][kids[1]:kids[2]:kids[3]], each of the three may be null
  kCall,        // kids[0](args)
  kFilter,      // kids[0] | builtin(args); kids[0] is null in filter blocks
  kTest,        // kids[0] is builtin(args)
};

enum class Op : std::uint8_t {
  kAdd,
  kSub,
  kMul,
  kDiv,
  kFloorDiv,
  kMod,
  kPow,
  kEq,
  kNe,
  kLt,
  kLe,
  kGt,
  kGe,
  kIn,
  kNotIn,
};

struct ArgumentExprs {
  std::vector<ExprPtr> positional;
  std::vector<std::pair<std::string, ExprPtr>> named;
  ExprPtr star;       // *list
  ExprPtr star_star;  // **dict
};

struct Expr {
  ExprKind kind = ExprKind::kConstant;
  std::uint32_t line = 0;
  std::uint32_t height = 1;  // levels of nodes below, this one included
  std::uint32_t symbol = 0;
  Value value;
  std::string text;
  std::vector<ExprPtr> kids;
  std::vector<Op> ops;
  std::unique_ptr<ArgumentExprs> args;
  const Builtin* builtin = nullptr;  // null: unknown, which matters only when it is reached
};

// What a `set` or `for` assigns to: a name, an attribute of a namespace, or a tuple of these.
struct Target {
  enum class Kind : std::uint8_t { kName, kAttribute, kTuple } kind = Kind::kName;
  std::uint32_t symbol = 0;
  std::string attribute;
  std::vector<Target> parts;
};

enum class StmtKind : std::uint8_t {
  kText,    // text
  kOutput,  // expr
  kIf,      // branches[i] under exprs[i], other
  kFor,     // target in expr if test: body, other
  kBreak,
  kContinue,
  kSet,        // target = expr
  kSetBlock,   // target = filtered(expr, may be null) body
  kMacro,      // macro
  kCallBlock,  // expr is the call, macro is the caller
  kFilter,     // expr over body
  kWith,       // targets[i] = exprs[i], body
  kScope,      // body in a scope of its own (generation)
};

struct MacroDef {
  std::string name;
  std::uint32_t symbol = 0;
  std::vector<std::string> names;
  std::vector<std::uint32_t> symbols;
  std::vector<ExprPtr> defaults;  // of the last parameters
  bool uses_caller = false;
  bool uses_varargs = false;
  bool uses_kwargs = false;
};

struct Stmt {
  StmtKind kind = StmtKind::kText;
  std::uint32_t line = 0;
  bool recursive = false;  // kFor
  std::string text;
  ExprPtr expr;
  ExprPtr test;
  Target target;
  std::vector<Target> targets;
  std::vector<ExprPtr> exprs;
  std::vector<Block> branches;
  Block body;
  Block other;
  MacroDef macro;
};

// Names that the parser gives numbers, so that a scope compares integers.
struct Symbols {
  std::vector<std::string> names;
  std::unordered_map<std::string, std::uint32_t> numbers;

  std::uint32_t number(const std::string& name) {
    const auto [place, fresh] = numbers.try_emplace(name, static_cast<std::uint32_t>(names.size()));
    if (fresh) names.push_back(name);
    return place->second;
  }
};

struct Template {
  Block body;
  Symbols symbols;
  std::vector<std::unique_ptr<Object>> literals;  // the strings that constants point to
  std::string file;
};

}  // namespace halfbyte::jinja
