#include "tokenizer/json/fields.h"

#include <string>

#include "base/error.h"

namespace halfbyte::json_parts {

void bad_field(std::string_view file, std::string_view key) {
  fail_malformed(file,
                 "tokenizer: field \"" + std::string(key) + "\" is missing or of the wrong kind");
}

bool field(Element object, const char* key, Element& value) {
  return object.is_object() && object[key].get(value) == simdjson::SUCCESS && !value.is_null();
}

Element need(Element object, const char* key, std::string_view file) {
  Element value;
  if (!field(object, key, value)) bad_field(file, key);
  return value;
}

std::string_view get_text(Element object, const char* key, std::string_view fallback,
                          std::string_view file) {
  Element value;
  if (!field(object, key, value)) return fallback;
  std::string_view text;
  if (value.get(text) != simdjson::SUCCESS) bad_field(file, key);
  return text;
}

bool get_flag(Element object, const char* key, bool fallback, std::string_view file) {
  Element value;
  if (!field(object, key, value)) return fallback;
  bool flag = false;
  if (value.get(flag) != simdjson::SUCCESS) bad_field(file, key);
  return flag;
}

std::uint64_t get_count(Element object, const char* key, std::uint64_t fallback,
                        std::string_view file) {
  Element value;
  if (!field(object, key, value)) return fallback;
  std::uint64_t count = 0;
  if (value.get(count) != simdjson::SUCCESS) bad_field(file, key);
  return count;
}

std::string_view need_text(Element object, const char* key, std::string_view file) {
  std::string_view text;
  if (need(object, key, file).get(text) != simdjson::SUCCESS) bad_field(file, key);
  return text;
}

}  // namespace halfbyte::json_parts
