// The steps of a tokenizer.json: normalizer, pre_tokenizer, post_processor and decoder objects.
#pragma once

#include "tokenizer/json/fields.h"
#include "tokenizer/spec.h"

namespace halfbyte::json_parts {

// Each appends to a list of `spec` (nested Sequences flattened); null adds nothing. They fail with
// kUnsupported naming a type that is not known, kMalformed on a field that is missing or of the
// wrong kind.
void read_normalizer(Element value, TokenizerSpec& spec, int depth = 0);
void read_pre_tokenizer(Element value, TokenizerSpec& spec, int depth = 0);
void read_post_processor(Element value, TokenizerSpec& spec, int depth = 0);
void read_decoder(Element value, TokenizerSpec& spec, int depth = 0);

}  // namespace halfbyte::json_parts
