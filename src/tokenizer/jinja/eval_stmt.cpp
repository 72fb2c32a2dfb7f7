// Statements and scopes.
//
// A loop turn, a macro, a captured block have a frame of their own; an `if` has not. What is set in
// a frame is gone with it, so a template carries values out of a loop in a namespace.
#include <fmt/format.h>

#include "tokenizer/jinja/interpreter.h"

namespace halfbyte::jinja {

Value* Frame::find(std::uint32_t symbol) {
  for (auto& [name, value] : variables) {
    if (name == symbol) return &value;
  }
  return nullptr;
}

void Interpreter::write(std::string_view text) {
  check_text(out_->size() + text.size());
  charge(text.size() / 256);
  if (out_->size() + text.size() > out_->capacity()) heap_.charge(text.size());
  *out_ += text;
}

Frame& Interpreter::push_frame() {
  Frame& frame = heap_.make<Frame>();
  frame.parent = frame_;
  frame_ = &frame;
  return frame;
}

void Interpreter::set_variable(std::uint32_t symbol, const Value& value) {
  if (frame_ == nullptr) {
    globals_[symbol] = value;
  } else if (Value* known = frame_->find(symbol)) {
    *known = value;
  } else {
    frame_->variables.emplace_back(symbol, value);
  }
}

Interpreter::Flow Interpreter::exec(const Block& block) {
  const Level level(*this);
  for (const StmtPtr& stmt : block) {
    const Flow flow = exec(*stmt);
    if (flow != Flow::kNext) return flow;
  }
  return Flow::kNext;
}

Interpreter::Flow Interpreter::exec(const Stmt& stmt) {
  charge(1);
  line_ = stmt.line;
  switch (stmt.kind) {
    case StmtKind::kText:
      write(stmt.text);
      break;
    case StmtKind::kOutput: {
      const Value value = eval(*stmt.expr);
      if (value.string()) {
        write(value.text());
      } else {
        write(str(value));
      }
      break;
    }
    case StmtKind::kIf:
      return exec_if(stmt);
    case StmtKind::kFor:
      exec_for(stmt);
      break;
    case StmtKind::kBreak:
      return Flow::kBreak;
    case StmtKind::kContinue:
      return Flow::kContinue;
    case StmtKind::kSet:
      assign(stmt.target, eval(*stmt.expr));
      break;
    case StmtKind::kSetBlock:
      exec_set_block(stmt);
      break;
    case StmtKind::kMacro:
      set_variable(stmt.macro.symbol, make_macro(stmt));
      break;
    case StmtKind::kCallBlock:
      exec_call_block(stmt);
      break;
    case StmtKind::kFilter:
      write(str(eval_filter_chain(*stmt.expr, capture(stmt.body))));
      break;
    case StmtKind::kWith:
      return exec_with(stmt);
    case StmtKind::kScope:
      write(capture(stmt.body).text());
      break;
  }
  return Flow::kNext;
}

Interpreter::Flow Interpreter::exec_if(const Stmt& stmt) {
  for (std::size_t i = 0; i < stmt.exprs.size(); ++i) {
    if (truthy(eval(*stmt.exprs[i]))) return exec(stmt.branches[i]);
  }
  return exec(stmt.other);
}

void Interpreter::exec_for(const Stmt& stmt) {
  const Value items = eval(*stmt.expr);
  LoopObject& loop = heap_.make<LoopObject>();
  loop.stmt = &stmt;
  loop.outer = frame_;
  loop.source = iterate(items);
  if (stmt.test == nullptr && !items.is(Kind::kIterator)) {
    loop.length = static_cast<std::int64_t>(loop.source.size());
  }
  run_loop(loop);
}

void Interpreter::run_loop(LoopObject& loop) {
  static constexpr std::string_view kLoopName = "loop";
  const Stmt& stmt = *loop.stmt;
  const Scope scope(*this);
  const auto loop_symbol = program_.symbols.numbers.find(std::string(kLoopName));
  bool completed = false;
  Frame* frame = nullptr;
  Value item;
  while (loop_next(loop, item)) {
    charge(1);
    ++loop.index0;
    loop.before = loop.current;
    loop.current = item;
    frame_ = loop.outer;
    if (frame == nullptr || frame->captured) {
      frame = &push_frame();
    } else {
      frame->variables.clear();
      frame_ = frame;
    }
    if (loop_symbol != program_.symbols.numbers.end()) {
      set_variable(loop_symbol->second, Value(Kind::kLoop, &loop));
    }
    assign(stmt.target, item);
    const Flow flow = exec(stmt.body);
    if (flow == Flow::kBreak) break;
    completed = completed || flow == Flow::kNext;
  }
  // As Jinja2 compiles it: a turn left by break or continue does not count.
  if (completed || stmt.other.empty()) return;
  frame_ = loop.outer;
  push_frame();
  exec(stmt.other);
}

// The next item that passes the loop's own `if`, evaluated when it is needed: the body may change
// what the condition reads.
bool Interpreter::loop_next(LoopObject& loop, Value& out) {
  if (loop.has_after) {
    loop.has_after = false;
    out = loop.after;
    return true;
  }
  while (loop.next < loop.source.size()) {
    out = loop.source[loop.next++];
    if (loop.stmt->test == nullptr || loop.filtered) return true;
    charge(1);
    const Scope scope(*this);
    frame_ = loop.outer;
    push_frame();
    assign(loop.stmt->target, out);
    if (truthy(eval(*loop.stmt->test))) return true;
  }
  return false;
}

bool Interpreter::loop_peek(LoopObject& loop) {
  if (loop.has_after) return true;
  Value value;
  if (!loop_next(loop, value)) return false;
  loop.after = value;
  loop.has_after = true;
  return true;
}

std::int64_t Interpreter::loop_length(LoopObject& loop) {
  if (loop.length >= 0) return loop.length;
  const bool had_after = loop.has_after;
  const Value after = loop.after;
  loop.has_after = false;
  std::vector<Value> rest;
  for (Value value; loop_next(loop, value);) rest.push_back(value);
  loop.length = loop.index0 + 1 + (had_after ? 1 : 0) + static_cast<std::int64_t>(rest.size());
  // What is left has passed the condition: keep it in front, as if it were peeked at.
  loop.source = std::move(rest);
  loop.next = 0;
  loop.has_after = had_after;
  loop.after = after;
  loop.filtered = true;
  return loop.length;
}

Value Interpreter::capture(const Block& block) {
  const Scope scope(*this);
  std::string captured;
  push_frame();
  out_ = &captured;
  exec(block);
  return text(std::move(captured));
}

void Interpreter::exec_set_block(const Stmt& stmt) {
  Value value = capture(stmt.body);
  if (stmt.expr != nullptr) value = eval_filter_chain(*stmt.expr, value);
  assign(stmt.target, value);
}

Value Interpreter::make_macro(const Stmt& stmt) {
  MacroObject& macro = heap_.make<MacroObject>();
  macro.stmt = &stmt;
  macro.closure = frame_;
  for (Frame* f = frame_; f != nullptr && !f->captured; f = f->parent) f->captured = true;
  return Value(Kind::kMacro, &macro);
}

void Interpreter::exec_call_block(const Stmt& stmt) {
  const Value caller = make_macro(stmt);
  const Value callee = eval(*stmt.expr->kids[0]);
  Arguments args = eval_args(*stmt.expr->args);
  args.named.emplace_back("caller", caller);
  write(str(call(callee, args)));
}

Interpreter::Flow Interpreter::exec_with(const Stmt& stmt) {
  const Scope scope(*this);
  std::vector<Value> values;
  for (const ExprPtr& expr : stmt.exprs) values.push_back(eval(*expr));
  push_frame();
  for (std::size_t i = 0; i < values.size(); ++i) assign(stmt.targets[i], values[i]);
  return exec(stmt.body);
}

void Interpreter::assign(const Target& target, const Value& value) {
  if (target.kind == Target::Kind::kName) return set_variable(target.symbol, value);
  if (target.kind == Target::Kind::kAttribute) {
    Value* variable = nullptr;
    for (Frame* f = frame_; f != nullptr && variable == nullptr; f = f->parent) {
      variable = f->find(target.symbol);
    }
    if (variable == nullptr) variable = &globals_[target.symbol];
    if (!variable->is(Kind::kNamespace)) fail("cannot assign attribute on non-namespace object");
    if (target.attribute.starts_with('_')) fail("a namespace takes no name with an underscore");
    return dict_set(variable->as<NamespaceObject>(), target.attribute, value);
  }
  if (!iterable(value)) fail(fmt::format("cannot unpack '{}'", type_name(value)));
  const std::vector<Value> items = iterate(value);
  if (items.size() != target.parts.size()) {
    fail(fmt::format("{} values to unpack into {} names", items.size(), target.parts.size()));
  }
  for (std::size_t i = 0; i < items.size(); ++i) assign(target.parts[i], items[i]);
}

}  // namespace halfbyte::jinja
