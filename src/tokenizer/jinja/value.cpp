#include "tokenizer/jinja/value.h"

#include "base/error.h"

namespace halfbyte::jinja {

namespace {

// Below this a scan over the keys is faster than hashing one.
constexpr std::size_t kIndexFrom = 12;

}  // namespace

std::string_view Value::text() const {
  return as<StringObject>().text;
}

const std::vector<Value>& Value::items() const {
  return as<ListObject>().items;
}

std::int64_t RangeObject::size() const {
  if (step > 0 ? start >= stop : start <= stop) return 0;
  const std::int64_t span = step > 0 ? stop - start : start - stop;
  const std::int64_t stride = step > 0 ? step : -step;
  return (span - 1) / stride + 1;
}

const Value* DictObject::find_text(std::string_view key) const {
  if (entries.size() >= kIndexFrom) return find("s" + std::string(key));
  for (const auto& [name, value] : entries) {
    if (name.string() && name.text() == key) return &value;
  }
  return nullptr;
}

const Value* DictObject::find(const std::string& code) const {
  const auto found = index_.find(code);
  return found == index_.end() ? nullptr : &entries[found->second].second;
}

void DictObject::set(const std::string& code, Value key, Value value) {
  const auto [place, fresh] = index_.try_emplace(code, entries.size());
  if (fresh) {
    entries.emplace_back(key, value);
  } else {
    entries[place->second].second = value;
  }
}

void Heap::charge(std::uint64_t bytes) {
  if (bytes > left_) fail_malformed("", "the chat template needs too much memory");
  left_ -= bytes;
}

const char* type_name(const Value& value) {
  static constexpr const char* kNames[] = {
      "Undefined", "NoneType", "bool",     "int",         "float",    "str",
      "list",      "tuple",    "dict",     "dict view",   "iterator", "range",
      "Namespace", "Macro",    "function", "LoopContext", "Cycler",   "Joiner"};
  return kNames[static_cast<std::size_t>(value.kind)];
}

}  // namespace halfbyte::jinja
