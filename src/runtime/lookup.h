// Guessing what comes next from the text itself (prompt lookup decoding, Saxena 2023): where the
// last few tokens stood before, what followed them then. A guess is only ever read ahead; what is
// generated does not depend on it.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <unordered_map>
#include <vector>

#include "tokenizer/tokenizer.h"

namespace halfbyte {

// The text so far, and where each sequence of kLongest to kShortest tokens stood last. A token more
// costs the same however long the text is.
class LookupIndex {
 public:
  static constexpr std::size_t kLongest = 4;
  static constexpr std::size_t kShortest = 2;

  void push(TokenId token);
  void push(std::span<const TokenId> tokens) {
    for (const TokenId token : tokens) push(token);
  }
  // Up to `most` tokens: what followed the last occurrence of the longest end of the text that has
  // one. It may run into the end of the text, and then repeats itself.
  std::vector<TokenId> propose(std::size_t most) const;

 private:
  std::span<const TokenId> end(std::size_t n) const { return std::span(tokens_).last(n); }

  std::vector<TokenId> tokens_;
  // Hash of n tokens -> index of the token after them. Only those that something follows.
  std::unordered_map<std::uint64_t, std::size_t> after_;
};

// How many tokens to propose. With the one that is certain they fill the 4 or 8 rows that kernels
// take together: 4 cost little more than one. Where guesses keep failing there are fewer and fewer.
class DraftLength {
 public:
  static constexpr std::size_t kMost = 7;

  // For the step that comes: 0 while resting.
  std::size_t next();
  // What became of a proposal (not empty).
  void judge(std::size_t proposed, std::size_t accepted);

 private:
  static constexpr std::size_t kFew = 3;
  static constexpr std::size_t kLongestRest = 32;  // steps

  std::size_t length_ = kFew;
  std::size_t rest_ = 0;       // steps left
  std::size_t next_rest_ = 0;  // after another failure
};

}  // namespace halfbyte
