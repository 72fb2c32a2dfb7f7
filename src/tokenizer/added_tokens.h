// Finds added tokens in text: a trie walked from every byte, leftmost match first, longest there.
#pragma once

#include <bitset>
#include <string_view>
#include <vector>

#include "tokenizer/spec.h"
#include "tokenizer/text.h"

namespace halfbyte {

// A stretch of text, or a token in it (id >= 0).
struct Section {
  Span span;
  TokenId id = Vocab::kNone;
};

class AddedTokenMatcher {
 public:
  // `text` is what to look for: the token's own, or its normalized form. Of equal texts the first
  // counts.
  void add(const AddedToken& token, std::string_view text);
  bool empty() const { return tokens_.empty(); }

  // Splits all of `text`, in order, as the reference does: single_word and (without parse_special)
  // special tokens that do not count still use up the characters that they match.
  void split(std::string_view text, bool parse_special, std::vector<Section>& sections) const;

  struct Match {
    std::size_t end = 0;
    std::int32_t token = -1;  // which of those added, or -1
  };
  // The longest token that starts at `begin`.
  Match longest(std::string_view text, std::size_t begin) const;

 private:
  std::vector<AddedToken> tokens_;
  PairMap edges_;                       // (node, byte) -> next node
  std::vector<std::int32_t> ends_{-1};  // by node: index of the token that ends there
  std::bitset<256> first_;              // bytes that some token starts with
};

}  // namespace halfbyte
