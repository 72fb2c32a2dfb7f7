#include "tokenizer/json/steps.h"

#include <string>

#include "tokenizer/text.h"

namespace halfbyte::json_parts {

void dispatch(std::span<const Row> rows, std::string_view what, Element value, TokenizerSpec& spec,
              int depth) {
  if (value.is_null()) return;
  if (depth > kMaxSequenceDepth) fail_malformed(spec.file, "tokenizer: Sequences nested too deep");
  const std::string_view type = need_text(value, "type", spec.file);
  for (const Row& row : rows) {
    if (row.type == type) return row.read(value, spec, depth);
  }
  fail_unsupported(spec.file, "tokenizer " + std::string(what) + " " + std::string(type));
}

void each(Element value, const char* key, TokenizerSpec& spec, int depth, Reader read) {
  simdjson::dom::array steps;
  if (need(value, key, spec.file).get(steps) != simdjson::SUCCESS) bad_field(spec.file, key);
  for (const Element step : steps) read(step, spec, depth + 1);
}

PatternSpec read_pattern(Element object, std::string_view file) {
  const Element pattern = need(object, "pattern", file);
  Element text;
  const bool is_regex = field(pattern, "Regex", text);
  std::string_view value;
  if ((!is_regex && !field(pattern, "String", text)) || text.get(value) != simdjson::SUCCESS) {
    bad_field(file, "pattern");
  }
  return {std::string(value), is_regex};
}

char32_t one_char(std::string_view text, const char* key, std::string_view file) {
  std::size_t i = 0;
  if (text.empty()) bad_field(file, key);
  const char32_t c = next_char(text, i);
  if (i != text.size()) bad_field(file, key);
  return c;
}

PrependScheme read_prepend_scheme(Element value, std::string_view file) {
  if (!get_flag(value, "add_prefix_space", true, file)) return PrependScheme::kNever;
  const std::string_view name = get_text(value, "prepend_scheme", "always", file);
  if (name == "always") return PrependScheme::kAlways;
  if (name == "first") return PrependScheme::kFirst;
  if (name == "never") return PrependScheme::kNever;
  fail_unsupported(file, "tokenizer prepend_scheme " + std::string(name));
}

}  // namespace halfbyte::json_parts
