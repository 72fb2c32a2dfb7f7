// tokenizer.json of the tokenizers library. Parsed by simdjson: files of 30 MB are usual.
#include <optional>

#include <simdjson.h>

#include "base/error.h"
#include "tokenizer/json/parts.h"
#include "tokenizer/sources.h"

namespace halfbyte {
namespace {

using json_parts::Element;
using json_parts::field;

// The model's kind; files of old versions do not say it.
std::string model_type(Element model) {
  std::string_view type;
  Element value;
  if (field(model, "type", value) && value.get(type) == simdjson::SUCCESS) return std::string(type);
  if (field(model, "merges", value)) return "BPE";
  return field(model, "vocab", value) && value.is_array() ? "Unigram" : "WordPiece";
}

TokenizerKind kind_of(Element model, std::string_view file) {
  const std::string type = model_type(model);
  if (type == "BPE") return TokenizerKind::kBpe;
  fail_unsupported(file, "tokenizer model " + type);
}

void read_vocab(Element model, TokenizerSpec& spec) {
  simdjson::dom::object vocab;
  if (model["vocab"].get(vocab) != simdjson::SUCCESS) {
    fail_malformed(spec.file, "tokenizer: model without a vocab");
  }
  std::size_t bytes = 0;
  std::size_t count = 0;
  for (const auto entry : vocab) {
    bytes += entry.key.size();
    ++count;
  }
  if (count > kMaxPieces) fail_unsupported(spec.file, "a vocabulary of more than 2^22 pieces");
  spec.vocab.reserve(count, bytes);
  for (const auto entry : vocab) {
    std::uint64_t id = 0;
    if (entry.value.get(id) != simdjson::SUCCESS || id >= kMaxPieces) {
      fail_malformed(spec.file,
                     "tokenizer: id of piece \"" + std::string(entry.key.substr(0, 100)) + "\"");
    }
    if (entry.key.size() > kMaxPieceBytes) {
      fail_unsupported(spec.file, "a piece of more than 64 KiB");
    }
    spec.vocab.set(static_cast<TokenId>(id), entry.key);
  }
}

// The two halves of a merge: ["a", "b"], or "a b" in older files.
std::optional<std::pair<std::string_view, std::string_view>> halves(Element merge) {
  std::string_view both;
  if (merge.get(both) == simdjson::SUCCESS) {
    const std::size_t space = both.find(' ');
    if (space == std::string_view::npos || both.find(' ', space + 1) != std::string_view::npos) {
      return std::nullopt;
    }
    return std::pair{both.substr(0, space), both.substr(space + 1)};
  }
  simdjson::dom::array pair;
  std::string_view left;
  std::string_view right;
  if (merge.get(pair) != simdjson::SUCCESS || pair.size() != 2 ||
      pair.at(0).get(left) != simdjson::SUCCESS || pair.at(1).get(right) != simdjson::SUCCESS) {
    return std::nullopt;
  }
  return std::pair{left, right};
}

void read_merges(Element model, TokenizerSpec& spec) {
  simdjson::dom::array merges;
  if (model["merges"].get(merges) != simdjson::SUCCESS) {
    fail_malformed(spec.file, "tokenizer: BPE model without merges");
  }
  spec.merges.reserve(merges.size());
  std::string joined;
  for (const Element merge : merges) {
    const auto pair = halves(merge);
    const auto bad = [&] {
      fail_malformed(spec.file, "tokenizer: merge " + std::to_string(spec.merges.size()));
    };
    if (!pair) bad();
    const auto [left, right] = *pair;
    if (right.size() < spec.word_prefix.size()) bad();
    joined.assign(left).append(right.substr(spec.word_prefix.size()));
    const Merge m{spec.vocab.find(left), spec.vocab.find(right), spec.vocab.find(joined)};
    if (m.left < 0 || m.right < 0 || m.result < 0) bad();
    spec.merges.push_back(m);
  }
}

void read_model(Element root, TokenizerSpec& spec) {
  Element model;
  if (!field(root, "model", model)) fail_malformed(spec.file, "tokenizer: no model");
  spec.kind = kind_of(model, spec.file);
  using json_parts::get_flag;
  using json_parts::get_text;
  spec.word_prefix = get_text(model, "continuing_subword_prefix", "", spec.file);
  spec.word_suffix = get_text(model, "end_of_word_suffix", "", spec.file);
  spec.fuse_unk = get_flag(model, "fuse_unk", false, spec.file);
  spec.byte_fallback = get_flag(model, "byte_fallback", false, spec.file);
  spec.ignore_merges = get_flag(model, "ignore_merges", false, spec.file);
  read_vocab(model, spec);
  read_merges(model, spec);
  const std::string_view unk = get_text(model, "unk_token", "", spec.file);
  if (const TokenId id = spec.vocab.find(unk); !unk.empty() && id >= 0) {
    spec.model_unk = spec.unk = id;
  }
}

void read_added_tokens(Element root, TokenizerSpec& spec) {
  Element value;
  if (!field(root, "added_tokens", value)) return;
  simdjson::dom::array tokens;
  if (value.get(tokens) != simdjson::SUCCESS) {
    fail_malformed(spec.file, "tokenizer: added_tokens is not a list");
  }
  const std::size_t model_count = spec.vocab.count();
  for (const Element entry : tokens) {
    using json_parts::get_flag;
    AddedToken token;
    token.text = json_parts::need_text(entry, "content", spec.file);
    if (token.text.size() > kMaxPieceBytes) fail_unsupported(spec.file, "a token above 64 KiB");
    token.single_word = get_flag(entry, "single_word", false, spec.file);
    token.lstrip = get_flag(entry, "lstrip", false, spec.file);
    token.rstrip = get_flag(entry, "rstrip", false, spec.file);
    token.special = get_flag(entry, "special", false, spec.file);
    token.normalized = get_flag(entry, "normalized", !token.special, spec.file);
    add_token(spec, std::move(token), model_count);
  }
}

}  // namespace

TokenizerSpec read_tokenizer_json(std::string_view text, std::string_view file) {
  TokenizerSpec spec;
  spec.source = TokenizerSource::kJson;
  spec.file = file;
  simdjson::dom::parser parser;
  Element root;
  const auto error = parser.parse(text.data(), text.size()).get(root);
  if (error != simdjson::SUCCESS) {
    fail_malformed(file, std::string("JSON: ") + simdjson::error_message(error));
  }
  if (!root.is_object()) fail_malformed(file, "tokenizer: not an object");
  read_model(root, spec);
  read_added_tokens(root, spec);
  Element part;
  if (field(root, "normalizer", part)) json_parts::read_normalizer(part, spec);
  if (field(root, "pre_tokenizer", part)) json_parts::read_pre_tokenizer(part, spec);
  if (field(root, "post_processor", part)) json_parts::read_post_processor(part, spec);
  if (field(root, "decoder", part)) {
    json_parts::read_decoder(part, spec);
  } else {
    spec.decoders.push_back({});
    spec.decoders.back().kind = DecoderKind::kJoinWithSpaces;
  }
  spec.source_json = text;
  return spec;
}

}  // namespace halfbyte
