// Fields of the objects in a tokenizer.json. All fail with kMalformed on one of the wrong kind.
#pragma once

#include <cstdint>
#include <string_view>

#include <simdjson.h>

namespace halfbyte::json_parts {

using Element = simdjson::dom::element;

[[noreturn]] void bad_field(std::string_view file, std::string_view key);

// Whether `object` is one and has the field, other than null: that is `value` then.
bool field(Element object, const char* key, Element& value);
// `fallback` where the field is absent or null.
std::string_view get_text(Element object, const char* key, std::string_view fallback,
                          std::string_view file);
bool get_flag(Element object, const char* key, bool fallback, std::string_view file);
std::uint64_t get_count(Element object, const char* key, std::uint64_t fallback,
                        std::string_view file);
// These fail where the field is absent.
Element need(Element object, const char* key, std::string_view file);
std::string_view need_text(Element object, const char* key, std::string_view file);

}  // namespace halfbyte::json_parts
