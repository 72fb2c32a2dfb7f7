#include "formats/metadata.h"

#include <algorithm>
#include <array>
#include <limits>
#include <utility>

#include <fmt/format.h>

namespace halfbyte {

namespace {

// One element of a raw array, at `at`, as wide as its type.
using ReadInt = std::optional<std::int64_t> (*)(const std::byte* at);  // nullopt: does not fit
using ReadFloat = float (*)(const std::byte* at);

template <typename T>
T load(const std::byte* at) {
  T value;
  std::memcpy(&value, at, sizeof(T));
  return value;
}

template <typename T>
std::optional<std::int64_t> read_int(const std::byte* at) {
  const T value = load<T>(at);
  if (!std::in_range<std::int64_t>(value)) return std::nullopt;
  return static_cast<std::int64_t>(value);
}

template <typename T>
float read_float(const std::byte* at) {
  return static_cast<float>(load<T>(at));
}

struct ElementInfo {
  MetaType type;
  std::string_view name;
  std::size_t bytes;  // 0: not fixed
  ReadInt as_int;     // nullptr: not an integer
  ReadFloat as_float;
};

template <typename T>
constexpr ElementInfo integer_row(MetaType type, std::string_view name) {
  return {type, name, sizeof(T), read_int<T>, read_float<T>};
}

// By id.
constexpr std::array kElements = {
    integer_row<std::uint8_t>(MetaType::u8, "u8"),
    integer_row<std::int8_t>(MetaType::i8, "i8"),
    integer_row<std::uint16_t>(MetaType::u16, "u16"),
    integer_row<std::int16_t>(MetaType::i16, "i16"),
    integer_row<std::uint32_t>(MetaType::u32, "u32"),
    integer_row<std::int32_t>(MetaType::i32, "i32"),
    ElementInfo{MetaType::f32, "f32", 4, nullptr, read_float<float>},
    integer_row<std::uint8_t>(MetaType::boolean, "bool"),
    ElementInfo{MetaType::string, "string", 0, nullptr, nullptr},
    ElementInfo{MetaType::array, "array", 0, nullptr, nullptr},
    integer_row<std::uint64_t>(MetaType::u64, "u64"),
    integer_row<std::int64_t>(MetaType::i64, "i64"),
    ElementInfo{MetaType::f64, "f64", 8, nullptr, read_float<double>},
};

const ElementInfo& element_info(MetaType type) {
  return kElements[static_cast<std::size_t>(type)];
}

[[noreturn]] void fail_kind(const Metadata& metadata, std::string_view key, std::string_view want) {
  const MetaValue& value = *metadata.find(key);
  std::string found(meta_type_name(value.type));
  if (const auto* array = std::get_if<MetaArray>(&value.value)) {
    found = fmt::format("an array of {}", meta_type_name(array->element));
  }
  fail_malformed(metadata.file, fmt::format("'{}' should be {}, is {}", key, want, found));
}

template <typename T>
std::string bytes_of(const std::vector<T>& values) {
  return {reinterpret_cast<const char*>(values.data()), values.size() * sizeof(T)};
}

}  // namespace

std::string_view meta_type_name(MetaType type) {
  return element_info(type).name;
}

std::size_t meta_type_bytes(MetaType type) {
  return element_info(type).bytes;
}

const MetaValue* Metadata::find(std::string_view key) const {
  const auto it = index_.find(std::string(key));
  return it == index_.end() ? nullptr : &entries_[it->second].value;
}

std::optional<std::uint64_t> Metadata::get_uint(std::string_view key) const {
  const MetaValue* value = find(key);
  if (value == nullptr) return std::nullopt;
  if (const auto* u = std::get_if<std::uint64_t>(&value->value)) return *u;
  const auto* i = std::get_if<std::int64_t>(&value->value);
  if (i == nullptr || *i < 0) fail_kind(*this, key, "an integer of at least 0");
  return static_cast<std::uint64_t>(*i);
}

std::optional<std::int64_t> Metadata::get_int(std::string_view key) const {
  const MetaValue* value = find(key);
  if (value == nullptr) return std::nullopt;
  if (const auto* i = std::get_if<std::int64_t>(&value->value)) return *i;
  const auto* u = std::get_if<std::uint64_t>(&value->value);
  if (u == nullptr || !std::in_range<std::int64_t>(*u)) fail_kind(*this, key, "an integer");
  return static_cast<std::int64_t>(*u);
}

std::optional<double> Metadata::get_number(std::string_view key) const {
  const MetaValue* value = find(key);
  if (value == nullptr) return std::nullopt;
  if (const auto* d = std::get_if<double>(&value->value)) return *d;
  if (const auto* i = std::get_if<std::int64_t>(&value->value)) return static_cast<double>(*i);
  const auto* u = std::get_if<std::uint64_t>(&value->value);
  if (u == nullptr) fail_kind(*this, key, "a number");
  return static_cast<double>(*u);
}

std::optional<bool> Metadata::get_bool(std::string_view key) const {
  const MetaValue* value = find(key);
  if (value == nullptr) return std::nullopt;
  const auto* b = std::get_if<bool>(&value->value);
  if (b == nullptr) fail_kind(*this, key, "a boolean");
  return *b;
}

std::optional<std::string_view> Metadata::get_string(std::string_view key) const {
  const MetaValue* value = find(key);
  if (value == nullptr) return std::nullopt;
  const auto* text = std::get_if<std::string_view>(&value->value);
  if (text == nullptr) fail_kind(*this, key, "a string");
  return *text;
}

const MetaArray* Metadata::get_array(std::string_view key) const {
  const MetaValue* value = find(key);
  if (value == nullptr) return nullptr;
  const auto* array = std::get_if<MetaArray>(&value->value);
  if (array == nullptr) fail_kind(*this, key, "an array");
  return array;
}

std::vector<std::string_view> Metadata::get_strings(std::string_view key) const {
  const MetaArray* array = get_array(key);
  if (array == nullptr) return {};
  if (array->element != MetaType::string) fail_kind(*this, key, "an array of strings");
  return array->strings;
}

std::vector<std::int64_t> Metadata::get_ints(std::string_view key) const {
  const MetaArray* array = get_array(key);
  if (array == nullptr) return {};
  const ElementInfo& element = element_info(array->element);
  if (element.as_int == nullptr) fail_kind(*this, key, "an array of integers");
  std::vector<std::int64_t> values;
  values.reserve(array->count);
  for (std::uint64_t i = 0; i < array->count; ++i) {
    const auto value = element.as_int(array->raw.data() + i * element.bytes);
    if (!value) fail_malformed(file, fmt::format("'{}' holds a number above 2^63", key));
    values.push_back(*value);
  }
  return values;
}

std::vector<float> Metadata::get_floats(std::string_view key) const {
  const MetaArray* array = get_array(key);
  if (array == nullptr) return {};
  const ElementInfo& element = element_info(array->element);
  if (element.as_float == nullptr) fail_kind(*this, key, "an array of numbers");
  std::vector<float> values;
  values.reserve(array->count);
  for (std::uint64_t i = 0; i < array->count; ++i) {
    values.push_back(element.as_float(array->raw.data() + i * element.bytes));
  }
  return values;
}

MetaValue& Metadata::slot(std::string_view key) {
  const auto [it, is_new] = index_.try_emplace(std::string(key), entries_.size());
  if (is_new) entries_.push_back({std::string(key), {}});
  return entries_[it->second].value;
}

std::string_view Metadata::keep(std::string_view text) {
  owned_.push_back(std::make_shared<const std::string>(text));
  return *owned_.back();
}

void Metadata::set_raw_array(std::string_view key, MetaType element, std::uint64_t count,
                             std::string_view raw) {
  slot(key) = {MetaType::array, MetaArray{element, count, as_bytes(keep(raw)), {}}};
}

void Metadata::set_u32(std::string_view key, std::uint32_t value) {
  slot(key) = {MetaType::u32, std::uint64_t{value}};
}

void Metadata::set_u64(std::string_view key, std::uint64_t value) {
  slot(key) = {MetaType::u64, value};
}

void Metadata::set_i32(std::string_view key, std::int32_t value) {
  slot(key) = {MetaType::i32, std::int64_t{value}};
}

void Metadata::set_f32(std::string_view key, float value) {
  slot(key) = {MetaType::f32, static_cast<double>(value)};
}

void Metadata::set_bool(std::string_view key, bool value) {
  slot(key) = {MetaType::boolean, value};
}

void Metadata::set_string(std::string_view key, std::string_view value) {
  slot(key) = {MetaType::string, keep(value)};
}

void Metadata::set_strings(std::string_view key, const std::vector<std::string>& values) {
  std::string all;
  for (const std::string& value : values) all += value;
  std::string_view rest = keep(all);
  MetaArray array{MetaType::string, values.size(), {}, {}};
  array.strings.reserve(values.size());
  for (const std::string& value : values) {
    array.strings.push_back(rest.substr(0, value.size()));
    rest.remove_prefix(value.size());
  }
  slot(key) = {MetaType::array, std::move(array)};
}

void Metadata::set_i32s(std::string_view key, const std::vector<std::int32_t>& values) {
  set_raw_array(key, MetaType::i32, values.size(), bytes_of(values));
}

void Metadata::set_f32s(std::string_view key, const std::vector<float>& values) {
  set_raw_array(key, MetaType::f32, values.size(), bytes_of(values));
}

void Metadata::set_u8s(std::string_view key, const std::vector<std::uint8_t>& values) {
  set_raw_array(key, MetaType::u8, values.size(), bytes_of(values));
}

void Metadata::set_bools(std::string_view key, const std::vector<bool>& values) {
  std::string raw;
  for (const bool value : values) raw += value ? '\1' : '\0';
  set_raw_array(key, MetaType::boolean, values.size(), raw);
}

void Metadata::set(std::string_view key, const MetaValue& value) {
  slot(key) = value;
}

void Metadata::erase(std::string_view key) {
  const auto it = index_.find(std::string(key));
  if (it == index_.end()) return;
  entries_.erase(entries_.begin() + static_cast<std::ptrdiff_t>(it->second));
  index_.clear();
  for (std::size_t i = 0; i < entries_.size(); ++i) index_.emplace(entries_[i].key, i);
}

}  // namespace halfbyte
