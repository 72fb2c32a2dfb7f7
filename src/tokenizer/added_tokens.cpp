#include "tokenizer/added_tokens.h"

#include <algorithm>

namespace halfbyte {
namespace {

std::size_t last_char(std::string_view text) {
  std::size_t i = text.size() - 1;
  while (i > 0 && (static_cast<unsigned char>(text[i]) & 0xC0u) == 0x80u) --i;
  return i;
}

bool starts_with_word(std::string_view text) {
  std::size_t i = 0;
  return !text.empty() && is_word_char(next_char(text, i));
}

bool ends_with_word(std::string_view text) {
  return !text.empty() && starts_with_word(text.substr(last_char(text)));
}

std::size_t trim_end(std::string_view text) {
  while (!text.empty()) {
    const std::size_t begin = last_char(text);
    std::size_t i = begin;
    if (!is_white_space(next_char(text, i))) break;
    text = text.substr(0, begin);
  }
  return text.size();
}

std::size_t leading_space(std::string_view text) {
  std::size_t end = 0;
  while (end < text.size()) {
    std::size_t i = end;
    if (!is_white_space(next_char(text, i))) break;
    end = i;
  }
  return end;
}

}  // namespace

void AddedTokenMatcher::add(const AddedToken& token, std::string_view text) {
  if (text.empty()) return;
  std::uint32_t node = 0;
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    if (const PairMap::Value* next = edges_.find(node, byte)) {
      node = next->first;
      continue;
    }
    const auto fresh = static_cast<std::uint32_t>(ends_.size());
    edges_.set(node, byte, {fresh, 0});
    ends_.push_back(-1);
    node = fresh;
  }
  if (ends_[node] >= 0) return;
  ends_[node] = static_cast<std::int32_t>(tokens_.size());
  tokens_.push_back(token);
  first_.set(static_cast<unsigned char>(text[0]));
}

AddedTokenMatcher::Match AddedTokenMatcher::longest(std::string_view text,
                                                    std::size_t begin) const {
  Match best;
  std::uint32_t node = 0;
  for (std::size_t i = begin; i < text.size(); ++i) {
    const PairMap::Value* next = edges_.find(node, static_cast<unsigned char>(text[i]));
    if (next == nullptr) break;
    node = next->first;
    if (ends_[node] >= 0) best = {i + 1, ends_[node]};
  }
  return best;
}

void AddedTokenMatcher::split(std::string_view text, bool parse_special,
                              std::vector<Section>& sections) const {
  std::size_t done = 0;
  for (std::size_t at = 0; at < text.size();) {
    if (!first_[static_cast<unsigned char>(text[at])]) {
      ++at;
      continue;
    }
    const Match match = longest(text, at);
    if (match.token < 0) {
      ++at;
      continue;
    }
    const AddedToken& token = tokens_[static_cast<std::size_t>(match.token)];
    std::size_t begin = at;
    std::size_t end = match.end;
    at = match.end;
    if (token.special && !parse_special) continue;
    if (token.single_word &&
        (ends_with_word(text.substr(0, begin)) || starts_with_word(text.substr(end)))) {
      continue;
    }
    if (token.lstrip) begin = std::max(trim_end(text.substr(0, begin)), done);
    if (token.rstrip) end += leading_space(text.substr(end));
    // A match may start inside of what rstrip took: then `done` goes back, as in the reference.
    if (done < begin) sections.push_back({{done, begin}, Vocab::kNone});
    sections.push_back({{begin, end}, token.id});
    done = end;
  }
  if (done < text.size()) sections.push_back({{done, text.size()}, Vocab::kNone});
}

}  // namespace halfbyte
