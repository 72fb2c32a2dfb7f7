// What can be asked of a value: its truth, its length, its items, its parts.
#include <algorithm>

#include <fmt/format.h>

#include "tokenizer/jinja/interpreter.h"
#include "tokenizer/jinja/text.h"

namespace halfbyte::jinja {

namespace {

std::vector<Value> range_items(const RangeObject& range) {
  std::vector<Value> items;
  const std::int64_t size = range.size();
  for (std::int64_t i = 0; i < size; ++i) items.push_back(Value::of(range.start + i * range.step));
  return items;
}

// Names that Python knows but the immutable sandbox withholds.
constexpr std::string_view kUnsafeOfList[] = {"append", "clear", "pop",    "reverse",
                                              "insert", "sort",  "extend", "remove"};
constexpr std::string_view kUnsafeOfDict[] = {"clear", "pop", "popitem", "setdefault", "update"};

bool withheld(const Value& object, std::string_view name) {
  const auto in = [&](const auto& names) {
    return std::find(std::begin(names), std::end(names), name) != std::end(names);
  };
  return (object.is(Kind::kList) && in(kUnsafeOfList)) ||
         (object.is(Kind::kDict) && in(kUnsafeOfDict));
}

// Python's rule for one end of a slice of `length` items.
std::int64_t slice_end(const Value* given, std::int64_t length, std::int64_t otherwise,
                       bool backward) {
  if (given == nullptr || given->is(Kind::kNone)) return otherwise;
  std::int64_t at = given->as_int();
  if (at < 0) at += length;
  return std::clamp<std::int64_t>(at, backward ? -1 : 0, backward ? length - 1 : length);
}

}  // namespace

bool Interpreter::truthy(const Value& value) {
  switch (value.kind) {
    case Kind::kUndefined:
    case Kind::kNone:
      return false;
    case Kind::kBool:
      return value.boolean;
    case Kind::kInt:
      return value.integer != 0;
    case Kind::kFloat:
      return value.real != 0;
    case Kind::kString:
      return !value.text().empty();
    case Kind::kList:
    case Kind::kTuple:
    case Kind::kView:
      return !value.items().empty();
    case Kind::kDict:
      return !value.as<DictObject>().entries.empty();
    case Kind::kRange:
      return value.as<RangeObject>().size() > 0;
    default:
      return true;
  }
}

bool Interpreter::iterable(const Value& value) {
  switch (value.kind) {
    case Kind::kUndefined:
    case Kind::kString:
    case Kind::kList:
    case Kind::kTuple:
    case Kind::kDict:
    case Kind::kView:
    case Kind::kIterator:
    case Kind::kRange:
    case Kind::kLoop:
      return true;
    default:
      return false;
  }
}

std::vector<Value> Interpreter::iterate(const Value& value) {
  std::vector<Value> items;
  switch (value.kind) {
    case Kind::kUndefined:
      return items;
    case Kind::kString: {
      const std::string_view all = value.text();
      check_items(all.size());
      for (std::size_t at = 0; at < all.size();) {
        const std::size_t bytes = code_point_at(all, at).bytes;
        items.push_back(text(std::string(all.substr(at, bytes))));
        at += bytes;
      }
      return items;
    }
    case Kind::kList:
    case Kind::kTuple:
    case Kind::kView:
      check_items(value.items().size());
      return value.items();
    case Kind::kDict:
      check_items(value.as<DictObject>().entries.size());
      for (const auto& entry : value.as<DictObject>().entries) items.push_back(entry.first);
      return items;
    case Kind::kIterator: {
      auto& source = value.as<IteratorObject>();
      check_items(source.items.size() - source.next);
      items.assign(source.items.begin() + static_cast<std::ptrdiff_t>(source.next),
                   source.items.end());
      source.next = source.items.size();
      return items;
    }
    case Kind::kRange:
      check_items(static_cast<std::uint64_t>(value.as<RangeObject>().size()));
      return range_items(value.as<RangeObject>());
    default:
      fail(fmt::format("'{}' object is not iterable", type_name(value)));
  }
}

std::int64_t Interpreter::length(const Value& value) {
  switch (value.kind) {
    case Kind::kUndefined:
      return 0;
    case Kind::kString:
      charge(value.text().size() / 256);
      return static_cast<std::int64_t>(text_length(value.text()));
    case Kind::kList:
    case Kind::kTuple:
    case Kind::kView:
      return static_cast<std::int64_t>(value.items().size());
    case Kind::kDict:
      return static_cast<std::int64_t>(value.as<DictObject>().entries.size());
    case Kind::kRange:
      return value.as<RangeObject>().size();
    case Kind::kLoop:
      return loop_length(value.as<LoopObject>());
    default:
      return -1;
  }
}

// An attribute first, then an item; the other way round in item(). So `tool.items` is the method
// of the dict even where the dict has such a key, as in Python.
Value Interpreter::attribute(const Value& object, std::string_view name) {
  if (object.undefined()) {
    fail(object.object != nullptr ? object.as<StringObject>().text : "a value is undefined");
  }
  if (name.starts_with("__")) return undefined("access to an internal attribute is unsafe");
  if (withheld(object, name)) {
    return undefined(
        fmt::format("access to attribute '{}' of '{}' object is unsafe.", name, type_name(object)));
  }
  if (object.is(Kind::kNamespace)) {
    const Value* found = object.as<NamespaceObject>().find_text(name);
    if (found != nullptr) return *found;
  } else if (const Builtin* method = find_method(object, name)) {
    // Some names are values (loop.index), and their rows take no part in a call.
    if (method->params == "=") {
      Arguments none;
      return method->fn(*this, object, Bound{{}, none});
    }
    BuiltinObject& bound = heap_.make<BuiltinObject>();
    bound.row = method;
    bound.self = object;
    return Value(Kind::kBuiltin, &bound);
  } else if (object.is(Kind::kDict)) {
    const Value* found = object.as<DictObject>().find_text(name);
    if (found != nullptr) return *found;
  } else if (object.is(Kind::kMacro) && name == "name") {
    return text(object.as<MacroObject>().stmt->macro.name);
  }
  return undefined(fmt::format("'{} object' has no attribute '{}'", type_name(object), name));
}

Value Interpreter::item(const Value& object, const Value& key) {
  if (object.undefined()) return attribute(object, "");
  const bool sequence = object.is(Kind::kString) || object.is(Kind::kList) ||
                        object.is(Kind::kTuple) || object.is(Kind::kRange);
  if (object.is(Kind::kDict) && !key.is(Kind::kList) && !key.is(Kind::kDict)) {
    const auto& dict = object.as<DictObject>();
    const Value* found = key.string() ? dict.find_text(key.text()) : dict.find(hash_key(key));
    if (found != nullptr) return *found;
  } else if (sequence && key.integral()) {
    const std::int64_t size = length(object);
    const std::int64_t at = key.as_int() < 0 ? key.as_int() + size : key.as_int();
    if (at >= 0 && at < size) {
      if (object.is(Kind::kRange)) {
        const auto& range = object.as<RangeObject>();
        return Value::of(range.start + at * range.step);
      }
      if (!object.string()) return object.items()[static_cast<std::size_t>(at)];
      const std::size_t byte = text_offset(object.text(), static_cast<std::size_t>(at));
      return text(
          std::string(object.text().substr(byte, code_point_at(object.text(), byte).bytes)));
    }
  }
  if (key.string()) {
    // A dict has been asked for the key already.
    return attribute(object, key.text());
  }
  return undefined(fmt::format("'{}' object has no such element", type_name(object)));
}

Value Interpreter::path(const Value& object, const Value& path) {
  if (!path.string()) return item(object, path);
  Value value = object;
  std::string_view rest = path.text();
  while (true) {
    const std::size_t dot = rest.find('.');
    const std::string part(rest.substr(0, dot));
    const bool digits = !part.empty() && part.size() < 10 &&
                        part.find_first_not_of("0123456789") == std::string::npos;
    value = item(value, digits ? Value::of(std::int64_t{std::stoi(part)}) : text(part));
    if (dot == std::string_view::npos) return value;
    rest.remove_prefix(dot + 1);
  }
}

Value Interpreter::slice(const Value& object, const Value* from, const Value* to,
                         const Value* step) {
  if (object.undefined()) return attribute(object, "");
  for (const Value* part : {from, to, step}) {
    if (part != nullptr && !part->is(Kind::kNone) && !part->integral()) {
      fail("slice indices must be integers or None");
    }
  }
  if (!object.string() && !object.is(Kind::kList) && !object.is(Kind::kTuple) &&
      !object.is(Kind::kRange)) {
    fail(fmt::format("'{}' object is not subscriptable", type_name(object)));
  }
  const std::int64_t length_all = length(object);
  std::int64_t stride = step == nullptr || step->is(Kind::kNone) ? 1 : step->as_int();
  if (stride == 0) fail("slice step cannot be zero");
  stride = std::clamp<std::int64_t>(stride, -length_all - 1, length_all + 1);
  const bool backward = stride < 0;
  std::int64_t at = slice_end(from, length_all, backward ? length_all - 1 : 0, backward);
  const std::int64_t stop = slice_end(to, length_all, backward ? -1 : length_all, backward);
  if (object.is(Kind::kRange)) {
    const auto& range = object.as<RangeObject>();
    RangeObject& part = heap_.make<RangeObject>();
    part.start = range.start + at * range.step;
    part.stop = range.start + stop * range.step;
    part.step = range.step * stride;
    return Value(Kind::kRange, &part);
  }
  if (object.string() && stride == 1) {
    const std::string_view all = object.text();
    const std::size_t first = text_offset(all, static_cast<std::size_t>(at));
    const std::size_t count = static_cast<std::size_t>(std::max<std::int64_t>(stop - at, 0));
    return text(std::string(all.substr(first, text_offset(all.substr(first), count))));
  }
  std::vector<Value> picked;
  std::string letters;
  const auto points = object.string() ? code_points(object.text()) : std::vector<std::int32_t>{};
  const auto items = object.string() ? std::vector<Value>{} : iterate(object);
  charge(points.size() / 64);
  for (; backward ? at > stop : at < stop; at += stride) {
    if (object.string()) {
      append_code_point(letters, points[static_cast<std::size_t>(at)]);
    } else {
      picked.push_back(items[static_cast<std::size_t>(at)]);
    }
  }
  if (object.string()) return text(std::move(letters));
  return object.is(Kind::kTuple) ? tuple(std::move(picked)) : list(std::move(picked));
}

}  // namespace halfbyte::jinja
