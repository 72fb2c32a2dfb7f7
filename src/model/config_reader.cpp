#include "model/config_reader.h"

#include <limits>

#include <fmt/format.h>

#include "base/error.h"

namespace halfbyte {

ConfigReader::ConfigReader(const Json& object, std::string_view file)
    : object_(object), file_(file) {
  if (!object.is_object()) fail_malformed(file, "the config is not a JSON object");
}

const Json* ConfigReader::find(std::initializer_list<std::string_view> names) const {
  for (const std::string_view name : names) {
    const auto found = object_.find(name);
    if (found != object_.end() && !found->is_null()) return &*found;
  }
  return nullptr;
}

std::optional<std::uint32_t> ConfigReader::uint(
    std::initializer_list<std::string_view> names) const {
  const Json* value = find(names);
  if (value == nullptr) return std::nullopt;
  const bool fits = value->is_number_integer() && value->get<std::int64_t>() >= 0 &&
                    value->get<std::int64_t>() <= std::numeric_limits<std::uint32_t>::max();
  if (!fits) fail_malformed(file_, fmt::format("'{}' is not a count", *names.begin()));
  return value->get<std::uint32_t>();
}

std::optional<double> ConfigReader::number(std::initializer_list<std::string_view> names) const {
  const Json* value = find(names);
  if (value == nullptr) return std::nullopt;
  if (!value->is_number())
    fail_malformed(file_, fmt::format("'{}' is not a number", *names.begin()));
  return value->get<double>();
}

std::optional<bool> ConfigReader::boolean(std::initializer_list<std::string_view> names) const {
  const Json* value = find(names);
  if (value == nullptr) return std::nullopt;
  if (!value->is_boolean())
    fail_malformed(file_, fmt::format("'{}' is not true or false", *names.begin()));
  return value->get<bool>();
}

std::optional<std::string> ConfigReader::text(std::initializer_list<std::string_view> names) const {
  const Json* value = find(names);
  if (value == nullptr) return std::nullopt;
  if (!value->is_string())
    fail_malformed(file_, fmt::format("'{}' is not a string", *names.begin()));
  return value->get<std::string>();
}

std::uint32_t ConfigReader::need_uint(std::initializer_list<std::string_view> names) const {
  const auto value = uint(names);
  if (!value) fail_malformed(file_, fmt::format("'{}' is missing", *names.begin()));
  return *value;
}

}  // namespace halfbyte
