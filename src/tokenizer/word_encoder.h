// What turns one word into ids. A tokenizer kind is one WordEncoder; the rest of the way is shared.
#pragma once

#include <memory>
#include <string_view>
#include <vector>

#include "tokenizer/spec.h"

namespace halfbyte {

// Working memory of one encode call, reused from word to word.
struct WordScratch {
  struct Symbol {
    std::int32_t id = Vocab::kNone;
    std::int32_t previous = -1;
    std::int32_t next = -1;
    std::uint32_t begin = 0;
    std::uint32_t length = 0;  // 0: merged into another
    bool frozen = false;
  };
  struct Candidate {
    float score = 0;         // spm: best is highest
    std::uint32_t rank = 0;  // bpe: best is lowest
    std::uint32_t left = 0;
    std::int32_t result = 0;
    std::uint32_t bytes = 0;
  };
  std::vector<Symbol> symbols;
  std::vector<Candidate> heap;
};

class WordEncoder {
 public:
  virtual ~WordEncoder() = default;
  // Appends the ids of `word` (well-formed UTF-8, not empty, below 2^31 bytes).
  virtual void encode(std::string_view word, WordScratch& scratch,
                      std::vector<TokenId>& ids) const = 0;
  static std::unique_ptr<WordEncoder> create(const TokenizerSpec& spec);
};

// Appends the ids of <0xNN> for every byte; false, and nothing appended, where one is missing.
class ByteFallback {
 public:
  explicit ByteFallback(const TokenizerSpec& spec);
  bool append(std::string_view bytes, std::vector<TokenId>& ids) const;

 private:
  std::vector<TokenId> ids_;  // by byte
};

}  // namespace halfbyte
