#include "tokenizer/spm_bpe.h"

#include <algorithm>

#include "tokenizer/text.h"

namespace halfbyte {
namespace {

using Symbol = WordScratch::Symbol;
using Candidate = WordScratch::Candidate;

bool is_worse(const Candidate& a, const Candidate& b) {
  return a.score != b.score ? a.score < b.score : a.left > b.left;
}

}  // namespace

SentencePieceBpe::SentencePieceBpe(const TokenizerSpec& spec) : spec_(spec), fallback_(spec) {
  if (!spec.match_user_defined) return;
  for (std::size_t i = 0; i < spec.types.size(); ++i) {
    if (spec.types[i] != PieceType::kUserDefined) continue;
    AddedToken token;
    token.id = static_cast<TokenId>(i);
    user_defined_.add(token, spec.vocab.text(token.id));
  }
}

PieceType SentencePieceBpe::type(TokenId id) const {
  const auto i = static_cast<std::size_t>(id);
  return i < spec_.types.size() ? spec_.types[i] : PieceType::kNormal;
}

// Control, unknown and byte pieces are never made from text.
bool SentencePieceBpe::is_mergeable(TokenId id) const {
  const PieceType t = type(id);
  return t == PieceType::kNormal || t == PieceType::kUserDefined || t == PieceType::kUnused ||
         t == PieceType::kUndefined;
}

void SentencePieceBpe::split_symbols(std::string_view word, std::vector<Symbol>& symbols) const {
  symbols.clear();
  const auto add = [&](std::size_t begin, std::size_t end, bool frozen) {
    const auto at = static_cast<std::int32_t>(symbols.size());
    symbols.push_back({Vocab::kNone, at - 1, end < word.size() ? at + 1 : -1,
                       static_cast<std::uint32_t>(begin), static_cast<std::uint32_t>(end - begin),
                       frozen});
  };
  std::vector<Section> sections;
  if (user_defined_.empty()) {
    sections.push_back({{0, word.size()}, Vocab::kNone});
  } else {
    user_defined_.split(word, true, sections);
  }
  for (const Section& section : sections) {
    std::size_t i = section.span.begin;
    if (section.id >= 0) {
      add(i, section.span.end, true);
      continue;
    }
    while (i < section.span.end) {
      const std::size_t begin = i;
      i += char_bytes(word[i]);
      add(begin, i, false);
    }
  }
}

void SentencePieceBpe::merge(std::string_view word, WordScratch& scratch, Origins& origins) const {
  std::vector<Symbol>& symbols = scratch.symbols;
  std::vector<Candidate>& heap = scratch.heap;
  heap.clear();
  const auto push = [&](std::int32_t left) {
    if (left < 0) return;
    const Symbol& a = symbols[static_cast<std::size_t>(left)];
    if (a.next < 0 || a.frozen) return;
    const Symbol& b = symbols[static_cast<std::size_t>(a.next)];
    if (b.frozen || a.length + b.length > kMaxPieceBytes) return;
    const std::string_view piece = word.substr(a.begin, a.length + b.length);
    const TokenId id = spec_.vocab.find(piece);
    if (id < 0 || !is_mergeable(id)) return;
    if (type(id) == PieceType::kUnused) origins[std::string(piece)] = a.length;
    heap.push_back({spec_.scores[static_cast<std::size_t>(id)], 0, static_cast<std::uint32_t>(left),
                    id, a.length + b.length});
    std::push_heap(heap.begin(), heap.end(), is_worse);
  };
  for (std::size_t i = 0; i + 1 < symbols.size(); ++i) push(static_cast<std::int32_t>(i));
  while (!heap.empty()) {
    std::pop_heap(heap.begin(), heap.end(), is_worse);
    const Candidate top = heap.back();
    heap.pop_back();
    Symbol& a = symbols[top.left];
    if (a.length == 0 || a.next < 0) continue;
    Symbol& b = symbols[static_cast<std::size_t>(a.next)];
    if (a.length + b.length != top.bytes) continue;  // one of the two has grown since
    a.length = top.bytes;
    b.length = 0;
    a.next = b.next;
    if (b.next >= 0) {
      symbols[static_cast<std::size_t>(b.next)].previous = static_cast<std::int32_t>(top.left);
    }
    push(a.previous);
    push(static_cast<std::int32_t>(top.left));
  }
}

// Ids of a finished symbol. A run of unknown characters is one unknown token.
void SentencePieceBpe::emit(std::string_view piece, const Origins& origins, bool& unknown_before,
                            std::vector<TokenId>& ids) const {
  std::vector<std::string_view> todo{piece};
  while (!todo.empty()) {
    const std::string_view one = todo.back();
    todo.pop_back();
    const TokenId id = spec_.vocab.find(one);
    if (id >= 0 && type(id) == PieceType::kUnused) {
      if (const auto origin = origins.find(std::string(one)); origin != origins.end()) {
        todo.push_back(one.substr(origin->second));
        todo.push_back(one.substr(0, origin->second));
        continue;
      }
    }
    const bool unknown = id < 0 || type(id) == PieceType::kUnknown;
    if (!unknown) {
      ids.push_back(id);
    } else if (spec_.byte_fallback && fallback_.append(one, ids)) {
      unknown_before = false;
      continue;
    } else if (spec_.model_unk && !(unknown_before && spec_.fuse_unk)) {
      ids.push_back(*spec_.model_unk);
    }
    unknown_before = unknown;
  }
}

void SentencePieceBpe::encode(std::string_view word, WordScratch& scratch,
                              std::vector<TokenId>& ids) const {
  Origins origins;
  split_symbols(word, scratch.symbols);
  if (scratch.symbols.empty()) return;
  merge(word, scratch, origins);
  bool unknown_before = false;
  for (std::int32_t i = 0; i >= 0; i = scratch.symbols[static_cast<std::size_t>(i)].next) {
    const Symbol& symbol = scratch.symbols[static_cast<std::size_t>(i)];
    emit(word.substr(symbol.begin, symbol.length), origins, unknown_before, ids);
  }
}

}  // namespace halfbyte
