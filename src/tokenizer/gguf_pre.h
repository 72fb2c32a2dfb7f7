// Pre-tokenizers by the names that GGUF files use (tokenizer.ggml.pre).
#pragma once

#include <array>
#include <string_view>

#include "tokenizer/spec.h"

namespace halfbyte {

struct GgufPre {
  std::string_view name;
  std::array<std::string_view, 6> patterns;  // each splits what the ones before it left; "" ends
  bool ignore_merges = false;
  bool add_bos = false;  // where the file does not say
  bool raw = false;      // pieces are plain text with U+2581 for a space, not byte-level
};

// nullptr for a name that is not known.
const GgufPre* find_gguf_pre(std::string_view name);
// The name whose patterns are those of `spec`, "default" where there is none.
std::string_view recognize_gguf_pre(const TokenizerSpec& spec);
// The steps that a row stands for.
std::vector<PreTokenizerSpec> gguf_pre_steps(const GgufPre& row);

}  // namespace halfbyte
