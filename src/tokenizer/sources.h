// Readers of the files that tokenizers come in; each gives a TokenizerSpec.
#pragma once

#include <string>
#include <string_view>

#include "base/json.h"
#include "tokenizer/spec.h"

namespace halfbyte {

TokenizerSpec read_tokenizer_json(std::string_view text, std::string_view file);
TokenizerSpec read_sentencepiece(ByteView bytes, std::string_view file);
TokenizerSpec read_gguf_tokenizer(const Metadata& metadata);

// tokenizer_config.json: bos, eos, unk, pad, added tokens, add_bos/add_eos, chat template.
void apply_tokenizer_config(TokenizerSpec& spec, std::string_view text, std::string_view file);
// config.json or generation_config.json: token ids where nothing else names them, more end ids.
void apply_model_config(TokenizerSpec& spec, const Json& config);
// Where no file names bos or eos: what the template puts in front, and behind.
void infer_from_template(TokenizerSpec& spec);
// Fills end_ids: eos, end-of-turn tokens known by their spelling.
void resolve_end_ids(TokenizerSpec& spec);

// Sets whether the template puts bos in front, or eos behind.
void set_adds_bos(TokenizerSpec& spec, bool adds);
void set_adds_eos(TokenizerSpec& spec, bool adds);
bool template_adds_bos(const TokenizerSpec& spec);
bool template_adds_eos(const TokenizerSpec& spec);

const AddedToken* find_added(const TokenizerSpec& spec, std::string_view text);
// Adds a token with the id that the tokenizers library gives it, or updates the one of that text.
// `model_count` is the number of pieces that the model itself has.
void add_token(TokenizerSpec& spec, AddedToken token, std::size_t model_count);

}  // namespace halfbyte
