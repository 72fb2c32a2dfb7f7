// quantization_config of config.json, for the folders whose matrices are quantized in groups.
#pragma once

#include <optional>
#include <string>

#include "base/json.h"
#include "formats/group_layout.h"

namespace halfbyte {

// nullopt where `config` says nothing of quantization. Fails with kUnsupported for what halfbyte
// does not read, naming it, with kMalformed for fields of the wrong kind.
std::optional<GroupScheme> read_group_config(const Json& config, const std::string& file);

struct GroupConfigFacts {
  unsigned bits = 4;
  std::uint64_t group = 128;  // of no matter by row
  ScaleRules rules = {};      // of all matrices
};
// As transformers and vLLM read it. GPTQ's is of its first version, which all readers take; where
// zeros of 0 would wrap in it, of the second.
Json write_group_config(const GroupLayout& layout, const GroupConfigFacts& facts);
// Of folders whose modules are as in formats/int_quantized.h: W8A8, inputs by token.
Json write_int_quantized_config();
// What its stored zeros are less than real ones.
unsigned written_zero_offset(const GroupLayout& layout, ScaleRules rules);
// A file that older readers ask for, with the same content; "" where there is none.
std::string_view separate_config_file(const GroupLayout& layout);

}  // namespace halfbyte
