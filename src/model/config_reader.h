// Typed access to config.json: one name for what published configs call by several.
#pragma once

#include <initializer_list>
#include <optional>
#include <string_view>

#include "base/json.h"

namespace halfbyte {

class ConfigReader {
 public:
  // `object` must outlive the reader. Fails with kMalformed if it is no object.
  ConfigReader(const Json& object, std::string_view file);

  // The first of `names` that is present and not null.
  const Json* find(std::initializer_list<std::string_view> names) const;
  bool has(std::string_view name) const { return find({name}) != nullptr; }

  // These fail with kMalformed naming the key where the value has another type.
  std::optional<std::uint32_t> uint(std::initializer_list<std::string_view> names) const;
  std::optional<double> number(std::initializer_list<std::string_view> names) const;
  std::optional<bool> boolean(std::initializer_list<std::string_view> names) const;
  std::optional<std::string> text(std::initializer_list<std::string_view> names) const;
  // As uint, and fails where none is present.
  std::uint32_t need_uint(std::initializer_list<std::string_view> names) const;

  std::string_view file() const { return file_; }
  const Json& json() const { return object_; }

 private:
  const Json& object_;
  std::string_view file_;
};

}  // namespace halfbyte
