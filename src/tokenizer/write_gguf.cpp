// A tokenizer as tokenizer.ggml.* keys, so that llama.cpp gives the same ids.
#include <algorithm>

#include "base/error.h"
#include "tokenizer/gguf_pre.h"
#include "tokenizer/sources.h"
#include "tokenizer/state.h"

namespace halfbyte {
namespace {

std::string key(std::string_view name) {
  return "tokenizer.ggml." + std::string(name);
}

bool is_byte_level(const TokenizerSpec& spec) {
  return std::any_of(
      spec.pre_tokenizers.begin(), spec.pre_tokenizers.end(),
      [](const PreTokenizerSpec& step) { return step.kind == PreTokenizerKind::kByteLevel; });
}

std::string model_name(const TokenizerSpec& spec) {
  if (!spec.gguf_model.empty()) return spec.gguf_model;
  if (spec.kind == TokenizerKind::kSentencePieceBpe) return "llama";
  // Merges over text with byte pieces are what llama.cpp runs by scores.
  return !is_byte_level(spec) && spec.byte_fallback ? "llama" : "gpt2";
}

bool is_byte_piece(std::string_view text) {
  constexpr std::string_view kHex = "0123456789ABCDEFabcdef";
  return text.size() == 6 && text.starts_with("<0x") && text[5] == '>' &&
         kHex.find(text[3]) != std::string_view::npos &&
         kHex.find(text[4]) != std::string_view::npos;
}

PieceType type_of(const TokenizerSpec& spec, TokenId id) {
  const auto index = static_cast<std::size_t>(id);
  if (index < spec.types.size()) return spec.types[index];
  if (!spec.vocab.contains(id)) return PieceType::kUnused;
  if (spec.model_unk == id) return PieceType::kUnknown;
  if (const AddedToken* added = find_added(spec, spec.vocab.text(id))) {
    return added->special ? PieceType::kControl : PieceType::kUserDefined;
  }
  const bool byte = spec.byte_fallback && is_byte_piece(spec.vocab.text(id));
  return byte ? PieceType::kByte : PieceType::kNormal;
}

// A piece that merging makes early scores high; pieces that no merge makes come last.
std::vector<float> scores_of(const TokenizerSpec& spec, std::size_t count) {
  std::vector<float> scores = spec.scores;
  if (scores.empty()) {
    scores.assign(count, -static_cast<float>(spec.merges.size()) - 1);
    for (std::size_t rank = spec.merges.size(); rank-- > 0;) {
      scores[static_cast<std::size_t>(spec.merges[rank].result)] = -static_cast<float>(rank);
    }
  }
  scores.resize(count);
  return scores;
}

void write_pieces(Metadata& metadata, const TokenizerSpec& spec, std::size_t count) {
  std::vector<std::string> tokens;
  std::vector<std::int32_t> types;
  for (std::size_t i = 0; i < count; ++i) {
    const auto id = static_cast<TokenId>(i);
    // llama.cpp wants every text once: one that another id took over is named by its number.
    const std::string_view text = spec.vocab.text(id);
    const bool own = spec.vocab.contains(id) && spec.vocab.find(text) == id;
    tokens.push_back(own ? std::string(text) : "[PAD" + std::to_string(i) + "]");
    types.push_back(static_cast<std::int32_t>(own ? type_of(spec, id) : PieceType::kUnused));
  }
  metadata.set_strings(key("tokens"), tokens);
  metadata.set_i32s(key("token_type"), types);
}

void write_merges(Metadata& metadata, const TokenizerSpec& spec) {
  std::vector<std::string> merges;
  merges.reserve(spec.merges.size());
  for (const Merge& m : spec.merges) {
    std::string line(spec.vocab.text(m.left));
    merges.push_back(line.append(" ").append(spec.vocab.text(m.right)));
  }
  metadata.set_strings(key("merges"), merges);
}

void write_ids(Metadata& metadata, const TokenizerSpec& spec) {
  const auto set = [&](std::string_view name, const std::optional<TokenId>& id) {
    if (id) metadata.set_u32(key(name), static_cast<std::uint32_t>(*id));
  };
  for (const auto& [name, id] : spec.gguf_ids) metadata.set_u32(name, id);
  set("bos_token_id", spec.bos);
  // Without a key llama.cpp takes id 11.
  std::optional<TokenId> eos = spec.eos;
  if (!eos && !spec.end_ids.empty()) eos = spec.end_ids.front();
  set("eos_token_id", eos);
  set("unknown_token_id", spec.unk);
  set("padding_token_id", spec.pad);
  // An end of turn that is not known by its spelling.
  for (const TokenId id : spec.end_ids) {
    if (id == eos || metadata.contains(key("eot_token_id"))) continue;
    set("eot_token_id", id);
  }
  metadata.set_bool(key("add_bos_token"), template_adds_bos(spec));
  metadata.set_bool(key("add_eos_token"), template_adds_eos(spec));
}

bool puts_space_in_front(const TokenizerSpec& spec) {
  if (spec.source != TokenizerSource::kJson) return spec.gguf_space_prefix;
  const auto prepends = [](const NormalizerSpec& step) {
    return step.kind == NormalizerKind::kPrepend;
  };
  const auto starts = [](const PreTokenizerSpec& step) {
    return step.kind == PreTokenizerKind::kMetaspace && step.prepend != PrependScheme::kNever;
  };
  return std::any_of(spec.normalizers.begin(), spec.normalizers.end(), prepends) ||
         std::any_of(spec.pre_tokenizers.begin(), spec.pre_tokenizers.end(), starts);
}

}  // namespace

void Tokenizer::to_gguf(Metadata& metadata, std::size_t vocab_size, bool keep_source) const {
  const TokenizerSpec& spec = state_->spec;
  if (vocab_size < spec.vocab.size()) {
    fail_usage("a vocabulary of " + std::to_string(vocab_size) + " for a tokenizer of " +
               std::to_string(spec.vocab.size()));
  }
  const std::string model = model_name(spec);
  metadata.set_string(key("model"), model);
  write_pieces(metadata, spec, vocab_size);
  if (model == "llama") {
    metadata.set_string(key("pre"), "default");
    metadata.set_f32s(key("scores"), scores_of(spec, vocab_size));
    metadata.set_bool(key("add_space_prefix"), puts_space_in_front(spec));
  } else {
    metadata.set_string(key("pre"), spec.gguf_pre.empty() ? recognize_gguf_pre(spec)
                                                          : std::string_view(spec.gguf_pre));
    write_merges(metadata, spec);
  }
  write_ids(metadata, spec);
  if (!chat_template_.empty()) metadata.set_string("tokenizer.chat_template", chat_template_);
  if (keep_source && !spec.source_json.empty()) {
    metadata.set_string("tokenizer.huggingface.json", spec.source_json);
  }
}

}  // namespace halfbyte
