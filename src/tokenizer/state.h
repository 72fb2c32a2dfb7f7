// What a Tokenizer holds: the resolved spec and the engines built from it. Immutable once built.
#pragma once

#include <memory>
#include <string>
#include <unordered_map>
#include <vector>

#include "tokenizer/added_tokens.h"
#include "tokenizer/normalizer.h"
#include "tokenizer/pre_tokenizer.h"
#include "tokenizer/spec.h"
#include "tokenizer/word_encoder.h"

namespace halfbyte {

struct Tokenizer::State {
  explicit State(TokenizerSpec resolved);

  TokenizerSpec spec;
  Normalizer normalizer;
  PreTokenizer pre_tokenizer;
  std::unique_ptr<WordEncoder> words;
  AddedTokenMatcher raw_tokens;         // looked for in the text as it is
  AddedTokenMatcher normalized_tokens;  // looked for in the normalized text
  std::vector<bool> special;            // by id
  // Added tokens that are looked for in normalized text are decoded in that form, too.
  std::unordered_map<TokenId, std::string> normalized_texts;
};

}  // namespace halfbyte
