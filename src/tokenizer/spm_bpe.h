// sentencepiece's BPE: the pair whose joined piece has the best score is merged first (Kudo and
// Richardson 2018; bpe_model). A text of n characters takes O(n log n).
#pragma once

#include <string>
#include <unordered_map>

#include "tokenizer/added_tokens.h"
#include "tokenizer/word_encoder.h"

namespace halfbyte {

class SentencePieceBpe : public WordEncoder {
 public:
  explicit SentencePieceBpe(const TokenizerSpec& spec);
  void encode(std::string_view word, WordScratch& scratch,
              std::vector<TokenId>& ids) const override;

 private:
  // How pieces that are only steps to others came about, to take them apart again.
  using Origins = std::unordered_map<std::string, std::size_t>;  // piece -> length of its left half

  bool is_mergeable(TokenId id) const;
  PieceType type(TokenId id) const;
  void split_symbols(std::string_view word, std::vector<WordScratch::Symbol>& symbols) const;
  void merge(std::string_view word, WordScratch& scratch, Origins& origins) const;
  void emit(std::string_view piece, const Origins& origins, bool& unknown_before,
            std::vector<TokenId>& ids) const;

  const TokenizerSpec& spec_;
  ByteFallback fallback_;
  AddedTokenMatcher user_defined_;
};

}  // namespace halfbyte
