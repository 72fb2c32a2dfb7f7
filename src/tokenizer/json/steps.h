// What reading the steps of each kind has in common: a table of their types, Sequences, patterns.
#pragma once

#include <array>
#include <span>
#include <string_view>
#include <utility>
#include <vector>

#include "base/error.h"
#include "tokenizer/json/parts.h"

namespace halfbyte::json_parts {

// One a type name. Field names and defaults are those of the tokenizers library's serialization.
using Reader = void (*)(Element, TokenizerSpec&, int depth);
struct Row {
  std::string_view type;
  Reader read;
};

// Reads `value` by the row of its type; `what` says in an error what it is.
void dispatch(std::span<const Row> rows, std::string_view what, Element value, TokenizerSpec& spec,
              int depth);

// The steps of a Sequence, under `key`.
void each(Element value, const char* key, TokenizerSpec& spec, int depth, Reader read);

template <typename T>
void add_step(std::vector<T>& steps, T step, std::string_view file) {
  if (steps.size() >= kMaxSteps) fail_unsupported(file, "a tokenizer of more than 256 steps");
  steps.push_back(std::move(step));
}

PatternSpec read_pattern(Element object, std::string_view file);
// The only character of a field's text.
char32_t one_char(std::string_view text, const char* key, std::string_view file);
PrependScheme read_prepend_scheme(Element value, std::string_view file);

}  // namespace halfbyte::json_parts
