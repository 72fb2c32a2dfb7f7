// The list of added tokens of a spec: ids as the tokenizers library gives them, look-up by text.
#include <algorithm>

#include "base/error.h"
#include "tokenizer/sources.h"

namespace halfbyte {
namespace {

std::int32_t index_of(const TokenizerSpec& spec, std::string_view text) {
  const TokenId id = spec.vocab.find(text);
  if (id < 0 || static_cast<std::size_t>(id) >= spec.added_index.size()) return -1;
  const std::int32_t index = spec.added_index[static_cast<std::size_t>(id)];
  return index >= 0 && spec.added[static_cast<std::size_t>(index)].text == text ? index : -1;
}

// The id of a token that the model does not have: behind the model's pieces, or behind the highest
// added one.
TokenId new_id(const TokenizerSpec& spec, std::size_t model_count) {
  const auto count = static_cast<TokenId>(model_count);
  const bool behind = spec.highest_added >= count || (count == 0 && spec.highest_added >= 0);
  return behind ? spec.highest_added + 1 : count;
}

}  // namespace

const AddedToken* find_added(const TokenizerSpec& spec, std::string_view text) {
  const std::int32_t index = index_of(spec, text);
  return index < 0 ? nullptr : &spec.added[static_cast<std::size_t>(index)];
}

void add_token(TokenizerSpec& spec, AddedToken token, std::size_t model_count) {
  if (token.text.empty()) return;
  if (token.text.size() > kMaxPieceBytes) fail_unsupported(spec.file, "a token above 64 KiB");
  if (const std::int32_t index = index_of(spec, token.text); index >= 0) {
    AddedToken& known = spec.added[static_cast<std::size_t>(index)];
    token.id = known.id;
    known = std::move(token);
    return;
  }
  token.id = spec.vocab.find(token.text);
  if (token.id < 0) {
    token.id = new_id(spec, model_count);
    if (static_cast<std::size_t>(token.id) >= kMaxPieces) {
      fail_unsupported(spec.file, "more than 2^22 tokens");
    }
    spec.vocab.set(token.id, token.text);
  }
  const auto at = static_cast<std::size_t>(token.id);
  if (at >= spec.added_index.size()) spec.added_index.resize(at + 1, -1);
  spec.added_index[at] = static_cast<std::int32_t>(spec.added.size());
  spec.highest_added = std::max(spec.highest_added, token.id);
  spec.added.push_back(std::move(token));
}

}  // namespace halfbyte
