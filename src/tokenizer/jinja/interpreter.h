// Evaluates a parsed template. One Interpreter is one render: it owns the values, the scopes, the
// output and the budgets (steps, nesting, bytes), so that no template can hang or fill the memory.
#pragma once

#include <ctime>
#include <string>
#include <string_view>
#include <vector>

#include "base/json.h"
#include "tokenizer/chat_template.h"
#include "tokenizer/jinja/ast.h"
#include "tokenizer/jinja/builtins.h"
#include "tokenizer/jinja/value.h"

namespace halfbyte::jinja {

// Variables of one block. Macros keep the frame that they were defined in.
struct Frame : Object {
  Frame* parent = nullptr;
  std::vector<std::pair<std::uint32_t, Value>> variables;
  bool captured = false;

  Value* find(std::uint32_t symbol);
};

struct MacroObject : Object {
  const Stmt* stmt = nullptr;
  Frame* closure = nullptr;
};

// The state of a `for`, which the template sees as `loop`.
struct LoopObject : Object {
  const Stmt* stmt = nullptr;
  Frame* outer = nullptr;
  std::vector<Value> source;
  std::size_t next = 0;  // in source
  std::int64_t index0 = -1;
  std::int64_t depth0 = 0;
  std::int64_t length = -1;  // -1: not known yet
  bool filtered = false;     // what is left in `source` has passed the condition
  bool has_after = false;    // `after` was taken from the source already
  Value after, current, before;
  bool has_changed = false;
  std::vector<Value> changed;
};

class Interpreter {
 public:
  // `now`: the local time that strftime_now shows, or null for the clock.
  Interpreter(const Template& program, const TemplateLimits& limits, const std::tm* now);
  std::string run(const Json& variables);

  // Budgets. `steps`: units of work.
  void charge(std::uint64_t steps);
  // Before a string of this many bytes is built.
  void check_text(std::uint64_t bytes) const;
  // Before a list of this many items is built.
  void check_items(std::uint64_t items);
  const TemplateLimits& limits() const { return limits_; }
  Heap& heap() { return heap_; }
  const std::tm& now();
  [[noreturn]] void fail(const std::string& what) const;
  // raise_exception: `message` alone.
  [[noreturn]] void raise(std::string message) const;

  // Counts one level of recursion while it lives.
  struct Level {
    explicit Level(Interpreter& interpreter);
    ~Level() { --interpreter.level_; }
    Level(const Level&) = delete;
    Level& operator=(const Level&) = delete;
    Interpreter& interpreter;
  };

  // Making values.
  Value text(std::string content, bool markup = false);
  Value list(std::vector<Value> items);
  Value tuple(std::vector<Value> items);
  Value iterator(std::vector<Value> items);
  Value view(const char* name, std::vector<Value> items);
  Value undefined(std::string why);
  Value from_json(const Json& json);
  DictObject& dict() { return heap_.make<DictObject>(); }
  void dict_set(DictObject& target, Value key, Value value);
  void dict_set(DictObject& target, std::string_view key, Value value);

  // Questions about values (access.cpp).
  static bool truthy(const Value& value);
  static bool iterable(const Value& value);
  // Items of anything iterable; exhausts an iterator.
  std::vector<Value> iterate(const Value& value);
  // len(); -1 where there is none.
  std::int64_t length(const Value& value);
  std::string str(const Value& value);
  std::string repr(const Value& value);

  // Parts of values (access.cpp).
  Value attribute(const Value& object, std::string_view name);
  Value item(const Value& object, const Value& key);
  // "a.b.0" as filters take it; numbers index.
  Value path(const Value& object, const Value& path);
  Value slice(const Value& object, const Value* from, const Value* to, const Value* step);

  // Operators (operators.cpp).
  bool equal(const Value& a, const Value& b);
  bool compare(Op op, const Value& a, const Value& b);
  bool contains(const Value& container, const Value& member);
  Value arithmetic(Op op, const Value& a, const Value& b);
  Value negate(const Value& value);
  // Equal values have equal keys; fails for what Python cannot hash.
  std::string hash_key(const Value& value);

  // Calls (call.cpp).
  Value call(const Value& callee, Arguments& args);
  Value call_builtin(const Builtin& row, const Value& self, Arguments& args);
  Value call_macro(const MacroObject& macro, Arguments& args);
  Value call_loop(const LoopObject& loop, const Value& items);

  // Loops (eval_stmt.cpp).
  bool loop_next(LoopObject& loop, Value& out);
  bool loop_peek(LoopObject& loop);
  std::int64_t loop_length(LoopObject& loop);

 private:
  enum class Flow : std::uint8_t { kNext, kBreak, kContinue };

  // eval_expr.cpp
  Value eval(const Expr& expr);
  Value eval_name(const Expr& expr);
  Value eval_sequence(const Expr& expr);
  Value eval_dict(const Expr& expr);
  Value eval_condition(const Expr& expr);
  Value eval_logic(const Expr& expr);
  Value eval_compare(const Expr& expr);
  Value eval_arithmetic(const Expr& expr);
  Value eval_concat(const Expr& expr);
  Value eval_slice(const Expr& expr);
  Value eval_call(const Expr& expr);
  Value eval_filtered(const Expr& expr, const Value& input);
  Value eval_test(const Expr& expr);
  Value eval_filter_chain(const Expr& expr, const Value& input);
  Arguments eval_args(const ArgumentExprs& exprs);

  // eval_stmt.cpp
  Flow exec(const Block& block);
  Flow exec(const Stmt& stmt);
  Flow exec_if(const Stmt& stmt);
  void exec_for(const Stmt& stmt);
  void run_loop(LoopObject& loop);
  void exec_set_block(const Stmt& stmt);
  void exec_macro(const Stmt& stmt);
  void exec_call_block(const Stmt& stmt);
  Flow exec_with(const Stmt& stmt);
  Value capture(const Block& block);
  void assign(const Target& target, const Value& value);
  Frame& push_frame();
  void set_variable(std::uint32_t symbol, const Value& value);
  Value make_macro(const Stmt& stmt);
  void write(std::string_view text);
  void bind_positional(const Builtin& row, Bound& bound);

  // Restores the frame and output of its birth, also when an error passes.
  struct Scope {
    explicit Scope(Interpreter& i) : interpreter(i), frame(i.frame_), out(i.out_) {}
    ~Scope() {
      interpreter.frame_ = frame;
      interpreter.out_ = out;
    }
    Scope(const Scope&) = delete;
    Scope& operator=(const Scope&) = delete;
    Interpreter& interpreter;
    Frame* frame;
    std::string* out;
  };

  const Template& program_;
  TemplateLimits limits_;
  const std::tm* now_;
  std::tm clock_{};
  Heap heap_;
  std::uint64_t steps_ = 0;
  std::uint32_t level_ = 0;
  std::uint32_t max_level_;
  std::uint32_t line_ = 0;
  std::vector<Value> globals_;  // by symbol
  Frame* frame_ = nullptr;      // null at the top of the template
  std::string* out_ = nullptr;
};

}  // namespace halfbyte::jinja
