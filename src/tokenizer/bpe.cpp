#include "tokenizer/bpe.h"

#include <algorithm>

#include "tokenizer/text.h"

namespace halfbyte {
namespace {

using Symbol = WordScratch::Symbol;
using Candidate = WordScratch::Candidate;

// For std::push_heap: the lowest rank on top, of equal ranks the leftmost.
bool is_worse(const Candidate& a, const Candidate& b) {
  return a.rank != b.rank ? a.rank > b.rank : a.left > b.left;
}

}  // namespace

Bpe::Bpe(const TokenizerSpec& spec) : spec_(spec), fallback_(spec), chars_(kDirect) {
  merges_.reserve(spec.merges.size());
  std::uint32_t rank = 0;
  for (const Merge& m : spec.merges) {
    merges_.set(static_cast<std::uint32_t>(m.left), static_cast<std::uint32_t>(m.right),
                {rank++, m.result});
  }
  for (char32_t c = 0; c < kDirect; ++c) {
    std::string text;
    append_utf8(text, c);
    chars_[c] = spec.vocab.find(text);
  }
}

TokenId Bpe::find_char(std::string_view one, bool first, bool last) const {
  const bool prefixed = !first && !spec_.word_prefix.empty();
  const bool suffixed = last && !spec_.word_suffix.empty();
  if (prefixed || suffixed) {
    std::string text(prefixed ? spec_.word_prefix : "");
    text += one;
    if (suffixed) text += spec_.word_suffix;
    return spec_.vocab.find(text);
  }
  if (one.size() > 2) return spec_.vocab.find(one);
  std::size_t i = 0;
  return chars_[next_char(one, i)];
}

// The ids that merging starts from. An unknown character that has no bytes becomes the unknown
// token, which is put where the next known character comes (so does the reference).
void Bpe::split_chars(std::string_view word, std::vector<TokenId>& ids) const {
  bool pending = false;
  const auto flush = [&] {
    if (pending) ids.push_back(*spec_.model_unk);
    pending = false;
  };
  for (std::size_t i = 0; i < word.size();) {
    const std::size_t begin = i;
    i += char_bytes(word[i]);
    const std::string_view one = word.substr(begin, i - begin);
    const bool last = i == word.size();
    const TokenId id = find_char(one, begin == 0, last);
    if (id >= 0) {
      flush();
      ids.push_back(id);
      continue;
    }
    if (spec_.byte_fallback && fallback_.append(one, ids)) continue;
    if (!spec_.model_unk) continue;
    if (!spec_.fuse_unk) flush();
    pending = true;
  }
  flush();
}

void Bpe::offer(const std::vector<Symbol>& symbols, std::int32_t left,
                std::vector<Candidate>& heap) const {
  if (left < 0) return;
  const Symbol& a = symbols[static_cast<std::size_t>(left)];
  if (a.next < 0) return;
  const Symbol& b = symbols[static_cast<std::size_t>(a.next)];
  const PairMap::Value* found =
      merges_.find(static_cast<std::uint32_t>(a.id), static_cast<std::uint32_t>(b.id));
  if (found == nullptr) return;
  heap.push_back({0, found->first, static_cast<std::uint32_t>(left), found->second, 0});
}

void Bpe::merge(WordScratch& scratch) const {
  std::vector<Symbol>& symbols = scratch.symbols;
  std::vector<Candidate>& heap = scratch.heap;
  heap.clear();
  for (std::size_t i = 0; i + 1 < symbols.size(); ++i) {
    offer(symbols, static_cast<std::int32_t>(i), heap);
  }
  std::make_heap(heap.begin(), heap.end(), is_worse);
  const auto push = [&](std::int32_t left) {
    const std::size_t before = heap.size();
    offer(symbols, left, heap);
    if (heap.size() != before) std::push_heap(heap.begin(), heap.end(), is_worse);
  };
  while (!heap.empty()) {
    std::pop_heap(heap.begin(), heap.end(), is_worse);
    const Candidate top = heap.back();
    heap.pop_back();
    Symbol& a = symbols[top.left];
    if (a.length == 0 || a.next < 0) continue;
    Symbol& b = symbols[static_cast<std::size_t>(a.next)];
    // The entry is stale unless the pair that stands here now gives the same token.
    const PairMap::Value* now =
        merges_.find(static_cast<std::uint32_t>(a.id), static_cast<std::uint32_t>(b.id));
    if (now == nullptr || now->second != top.result) continue;
    a.id = top.result;
    b.length = 0;
    a.next = b.next;
    if (b.next >= 0) {
      symbols[static_cast<std::size_t>(b.next)].previous = static_cast<std::int32_t>(top.left);
    }
    push(a.previous);
    push(static_cast<std::int32_t>(top.left));
  }
}

void Bpe::encode(std::string_view word, WordScratch& scratch, std::vector<TokenId>& ids) const {
  if (spec_.ignore_merges) {
    if (const TokenId id = spec_.vocab.find(word); id >= 0) return ids.push_back(id);
  }
  const std::size_t before = ids.size();
  split_chars(word, ids);
  const std::size_t count = ids.size() - before;
  if (count < 2) return;
  scratch.symbols.resize(count);
  for (std::size_t i = 0; i < count; ++i) {
    const auto at = static_cast<std::int32_t>(i);
    scratch.symbols[i] = {ids[before + i], at - 1, i + 1 < count ? at + 1 : -1, 0, 1, false};
  }
  merge(scratch);
  ids.resize(before);
  for (std::int32_t i = 0; i >= 0; i = scratch.symbols[static_cast<std::size_t>(i)].next) {
    ids.push_back(scratch.symbols[static_cast<std::size_t>(i)].id);
  }
}

}  // namespace halfbyte
