// Set-up, budgets, and the making of values.
#include "tokenizer/jinja/interpreter.h"

#include <chrono>

#include <fmt/format.h>

#include "base/error.h"

namespace halfbyte::jinja {

namespace {

// TemplateLimits::depth counts macro calls and blocks as a reader does; each of them costs a few
// levels of recursion here.
constexpr std::uint32_t kLevelsPerDepth = 8;
// All the strings and lists of one render together, as a multiple of the longest text.
constexpr std::uint64_t kHeapPerOutput = 64;

}  // namespace

Interpreter::Interpreter(const Template& program, const TemplateLimits& limits, const std::tm* now)
    : program_(program),
      limits_(limits),
      now_(now),
      heap_(limits.output * kHeapPerOutput),
      max_level_(limits.depth * kLevelsPerDepth) {}

std::string Interpreter::run(const Json& variables) {
  globals_.resize(program_.symbols.names.size());
  for (std::size_t i = 0; i < globals_.size(); ++i) {
    const std::string& name = program_.symbols.names[i];
    const auto found = variables.is_object() ? variables.find(name) : variables.end();
    if (variables.is_object() && found != variables.end()) {
      globals_[i] = from_json(*found);
    } else if (const Builtin* row = find_global(name)) {
      BuiltinObject& object = heap_.make<BuiltinObject>();
      object.row = row;
      globals_[i] = Value(Kind::kBuiltin, &object);
    }
  }
  std::string out;
  out_ = &out;
  exec(program_.body);
  return out;
}

void Interpreter::charge(std::uint64_t steps) {
  steps_ += steps;
  if (steps_ > limits_.steps || steps > limits_.steps) fail("the template takes too many steps");
}

void Interpreter::check_text(std::uint64_t bytes) const {
  if (bytes > limits_.output) fail("the template makes a text that is too long");
}

void Interpreter::check_items(std::uint64_t items) {
  charge(items / 4 + 1);
  heap_.charge(std::min(items, limits_.steps) * sizeof(Value));
}

const std::tm& Interpreter::now() {
  if (now_ != nullptr) return *now_;
  const std::time_t seconds =
      std::chrono::system_clock::to_time_t(std::chrono::system_clock::now());
  localtime_r(&seconds, &clock_);
  now_ = &clock_;
  return clock_;
}

void Interpreter::fail(const std::string& what) const {
  fail_malformed(program_.file, fmt::format("line {}: {}", line_, what));
}

void Interpreter::raise(std::string message) const {
  fail_malformed(program_.file, std::move(message));
}

Interpreter::Level::Level(Interpreter& i) : interpreter(i) {
  if (interpreter.level_ >= interpreter.max_level_) {
    interpreter.fail("the template is nested too deeply");
  }
  ++interpreter.level_;
}

Value Interpreter::text(std::string content, bool markup) {
  check_text(content.size());
  charge(content.size() / 256);
  heap_.charge(content.size());
  return Value(Kind::kString, &heap_.make<StringObject>(std::move(content), markup));
}

Value Interpreter::list(std::vector<Value> items) {
  check_items(items.size());
  ListObject& object = heap_.make<ListObject>();
  object.items = std::move(items);
  return Value(Kind::kList, &object);
}

Value Interpreter::tuple(std::vector<Value> items) {
  return Value(Kind::kTuple, list(std::move(items)).object);
}

Value Interpreter::view(const char* name, std::vector<Value> items) {
  const Value value(Kind::kView, list(std::move(items)).object);
  value.as<ListObject>().view = name;
  return value;
}

Value Interpreter::iterator(std::vector<Value> items) {
  check_items(items.size());
  IteratorObject& object = heap_.make<IteratorObject>();
  object.items = std::move(items);
  return Value(Kind::kIterator, &object);
}

Value Interpreter::undefined(std::string why) {
  heap_.charge(why.size());
  return Value(Kind::kUndefined, &heap_.make<StringObject>(std::move(why)));
}

void Interpreter::dict_set(DictObject& target, Value key, Value value) {
  const std::string code = hash_key(key);
  heap_.charge(code.size() + 128);
  target.set(code, key, value);
}

void Interpreter::dict_set(DictObject& target, std::string_view key, Value value) {
  dict_set(target, text(std::string(key)), value);
}

Value Interpreter::from_json(const Json& json) {
  const Level level(*this);
  switch (json.type()) {
    case Json::value_t::boolean:
      return Value::of(json.get<bool>());
    case Json::value_t::number_integer:
      return Value::of(json.get<std::int64_t>());
    case Json::value_t::number_unsigned:
      if (json.get<std::uint64_t>() > static_cast<std::uint64_t>(INT64_MAX)) {
        fail("an integer does not fit 64 bits");
      }
      return Value::of(json.get<std::int64_t>());
    case Json::value_t::number_float:
      return Value::of(json.get<double>());
    case Json::value_t::string:
      return text(json.get<std::string>());
    case Json::value_t::array: {
      std::vector<Value> items;
      items.reserve(json.size());
      for (const Json& item : json) items.push_back(from_json(item));
      return list(std::move(items));
    }
    case Json::value_t::object: {
      DictObject& result = dict();
      for (const auto& [key, value] : json.items()) dict_set(result, key, from_json(value));
      return Value(Kind::kDict, &result);
    }
    default:
      return Value::none();
  }
}

}  // namespace halfbyte::jinja
