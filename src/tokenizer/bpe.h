// BPE by ranked merges (Sennrich et al. 2016), with the tokenizers library's treatment of unknown
// characters. A word of n characters takes O(n log n).
#pragma once

#include "tokenizer/word_encoder.h"

namespace halfbyte {

class Bpe : public WordEncoder {
 public:
  explicit Bpe(const TokenizerSpec& spec);
  void encode(std::string_view word, WordScratch& scratch,
              std::vector<TokenId>& ids) const override;

 private:
  static constexpr std::size_t kDirect = 0x800;
  TokenId find_char(std::string_view one, bool first, bool last) const;
  void split_chars(std::string_view word, std::vector<TokenId>& ids) const;
  void merge(WordScratch& scratch) const;
  void offer(const std::vector<WordScratch::Symbol>& symbols, std::int32_t left,
             std::vector<WordScratch::Candidate>& heap) const;

  const TokenizerSpec& spec_;
  ByteFallback fallback_;
  PairMap merges_;              // ids -> (rank, result)
  std::vector<TokenId> chars_;  // ids of the characters below kDirect
};

}  // namespace halfbyte
