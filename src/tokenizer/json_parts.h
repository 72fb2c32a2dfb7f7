// The steps of a tokenizer.json: normalizer, pre_tokenizer, post_processor and decoder objects.
#pragma once

#include <simdjson.h>

#include "tokenizer/spec.h"

namespace halfbyte::json_parts {

using Element = simdjson::dom::element;

// Each appends to a list of `spec` (nested Sequences flattened); null adds nothing. They fail with
// kUnsupported naming a type that is not known, kMalformed on a field that is missing or of the
// wrong kind.
void read_normalizer(Element value, TokenizerSpec& spec, int depth = 0);
void read_pre_tokenizer(Element value, TokenizerSpec& spec, int depth = 0);
void read_post_processor(Element value, TokenizerSpec& spec, int depth = 0);
void read_decoder(Element value, TokenizerSpec& spec, int depth = 0);

// A field of an object; `fallback` where it is absent or null.
std::string_view get_text(Element object, const char* key, std::string_view fallback,
                          std::string_view file);
bool get_flag(Element object, const char* key, bool fallback, std::string_view file);
std::uint64_t get_count(Element object, const char* key, std::uint64_t fallback,
                        std::string_view file);
// Fails where the field is absent.
std::string_view need_text(Element object, const char* key, std::string_view file);

}  // namespace halfbyte::json_parts
