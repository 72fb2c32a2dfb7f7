// Calls of builtins, macros and recursive loops.
#include <algorithm>

#include <fmt/format.h>

#include "tokenizer/jinja/interpreter.h"

namespace halfbyte::jinja {

namespace {

std::string_view next_param(std::string_view& params) {
  const std::size_t space = params.find(' ');
  const std::string_view name = params.substr(0, space);
  params = space == std::string_view::npos ? std::string_view() : params.substr(space + 1);
  return name;
}

// Takes the named argument out of `args`; false if it is not there.
bool take_named(Arguments& args, std::string_view name, Value& out) {
  const auto found = std::find_if(args.named.begin(), args.named.end(),
                                  [&](const auto& arg) { return arg.first == name; });
  if (found == args.named.end()) return false;
  out = found->second;
  args.named.erase(found);
  return true;
}

}  // namespace

Value Interpreter::call(const Value& callee, Arguments& args) {
  switch (callee.kind) {
    case Kind::kBuiltin:
      return call_builtin(*callee.as<BuiltinObject>().row, callee.as<BuiltinObject>().self, args);
    case Kind::kMacro:
      return call_macro(callee.as<MacroObject>(), args);
    case Kind::kLoop:
      if (args.positional.size() != 1 || !args.named.empty()) fail("loop() takes one argument");
      return call_loop(callee.as<LoopObject>(), args.positional[0]);
    case Kind::kJoiner: {
      auto& joiner = callee.as<JoinerObject>();
      if (std::exchange(joiner.used, true)) return joiner.separator;
      return text("");
    }
    case Kind::kUndefined:
      return attribute(callee, "");
    default:
      fail(fmt::format("'{}' object is not callable", type_name(callee)));
  }
}

void Interpreter::bind_positional(const Builtin& row, Bound& bound) {
  const Arguments& args = bound.raw;
  std::string_view params = row.params;
  std::size_t known = 0;
  std::size_t used = 0;
  for (; !params.empty(); ++known) {
    const std::string_view name = next_param(params);
    if (known < args.positional.size()) bound.slots[known] = &args.positional[known];
    for (const auto& [given, value] : args.named) {
      if (given != name) continue;
      if (bound.slots[known] != nullptr) {
        fail(fmt::format("{}() got multiple values for argument '{}'", row.name, name));
      }
      bound.slots[known] = &value;
      ++used;
    }
    if (known < row.required && bound.slots[known] == nullptr) {
      fail(fmt::format("{}() misses its argument '{}'", row.name, name));
    }
  }
  if (args.positional.size() > known) {
    fail(fmt::format("{}() takes at most {} arguments ({} given)", row.name, known,
                     args.positional.size()));
  }
  if (used != args.named.size()) {
    fail(fmt::format("{}() got an unexpected keyword argument", row.name));
  }
}

Value Interpreter::call_builtin(const Builtin& row, const Value& self, Arguments& args) {
  const Level level(*this);
  charge(1);
  Bound bound{{}, args};
  if (row.params == "*") {
    if (args.positional.size() < row.required) {
      fail(fmt::format("{}() misses an argument", row.name));
    }
  } else {
    bind_positional(row, bound);
  }
  return row.fn(*this, self, bound);
}

Value Interpreter::call_macro(const MacroObject& macro, Arguments& args) {
  const Level level(*this);
  const Scope scope(*this);
  const MacroDef& def = macro.stmt->macro;
  frame_ = macro.closure;
  push_frame();
  const std::size_t plain = def.names.size() - def.defaults.size();
  bool caller_named = false;
  for (std::size_t i = 0; i < def.names.size(); ++i) {
    Value value;
    caller_named = caller_named || def.names[i] == "caller";
    if (i < args.positional.size()) {
      value = args.positional[i];
    } else if (!take_named(args, def.names[i], value)) {
      value = i >= plain ? eval(*def.defaults[i - plain])
                         : undefined(fmt::format("parameter '{}' was not provided", def.names[i]));
    }
    set_variable(def.symbols[i], value);
  }
  const auto set_special = [&](const char* name, const Value& value) {
    set_variable(program_.symbols.numbers.at(name), value);
  };
  if (def.uses_caller && !caller_named) {
    Value caller;
    if (!take_named(args, "caller", caller)) caller = undefined("No caller defined");
    set_special("caller", caller);
  }
  if (def.uses_kwargs) {
    DictObject& rest = dict();
    for (const auto& [name, value] : args.named) dict_set(rest, name, value);
    set_special("kwargs", Value(Kind::kDict, &rest));
  } else if (!args.named.empty()) {
    fail(fmt::format("macro '{}' takes no keyword argument '{}'", def.name, args.named[0].first));
  }
  const std::size_t taken = std::min(args.positional.size(), def.names.size());
  if (def.uses_varargs) {
    set_special("varargs", tuple({args.positional.begin() + static_cast<std::ptrdiff_t>(taken),
                                  args.positional.end()}));
  } else if (args.positional.size() > def.names.size()) {
    fail(fmt::format("macro '{}' takes not more than {} argument(s)", def.name, def.names.size()));
  }
  std::string captured;
  out_ = &captured;
  exec(macro.stmt->body);
  return text(std::move(captured));
}

Value Interpreter::call_loop(const LoopObject& loop, const Value& items) {
  if (!loop.stmt->recursive) fail("the loop must have the 'recursive' marker to be called");
  const Level level(*this);
  const Scope scope(*this);
  LoopObject& inner = heap_.make<LoopObject>();
  inner.stmt = loop.stmt;
  inner.outer = loop.outer;
  inner.depth0 = loop.depth0 + 1;
  inner.source = iterate(items);
  std::string captured;
  out_ = &captured;
  run_loop(inner);
  return text(std::move(captured));
}

}  // namespace halfbyte::jinja
