#include "runtime/lookup.h"

#include <algorithm>

namespace halfbyte {

namespace {

// FNV-1a over whole tokens, which begins with their number.
std::uint64_t hash_of(std::span<const TokenId> tokens) {
  std::uint64_t hash = 0xCBF29CE484222325u ^ tokens.size();
  for (const TokenId token : tokens) {
    hash = (hash ^ static_cast<std::uint32_t>(token)) * 0x100000001B3u;
    hash ^= hash >> 29;
  }
  return hash;
}

}  // namespace

void LookupIndex::push(TokenId token) {
  for (std::size_t n = kShortest; n <= std::min(kLongest, tokens_.size()); ++n)
    after_[hash_of(end(n))] = tokens_.size();
  tokens_.push_back(token);
}

std::vector<TokenId> LookupIndex::propose(std::size_t most) const {
  std::vector<TokenId> proposal;
  for (std::size_t n = std::min(kLongest, tokens_.size()); n >= kShortest; --n) {
    const auto found = after_.find(hash_of(end(n)));
    if (found == after_.end()) continue;
    const std::size_t after = found->second;
    if (!std::ranges::equal(std::span(tokens_).subspan(after - n, n), end(n))) continue;
    for (std::size_t i = after; proposal.size() < most; ++i)
      proposal.push_back(i < tokens_.size() ? tokens_[i] : proposal[i - tokens_.size()]);
    break;
  }
  return proposal;
}

std::size_t DraftLength::next() {
  if (rest_ == 0) return length_;
  --rest_;
  return 0;
}

void DraftLength::judge(std::size_t proposed, std::size_t accepted) {
  if (accepted == 0) {
    length_ = kFew;
    rest_ = next_rest_;
    next_rest_ = std::clamp<std::size_t>(2 * next_rest_, 1, kLongestRest);
    return;
  }
  next_rest_ = 0;
  if (accepted == proposed) {
    length_ = kMost;
  } else if (accepted < kFew) {
    length_ = kFew;
  }
}

}  // namespace halfbyte
