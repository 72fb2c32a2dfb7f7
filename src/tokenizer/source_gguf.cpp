// The tokenizer of a GGUF file: tokenizer.ggml.* as llama.cpp reads them, or the tokenizer.json
// that a file carries in tokenizer.huggingface.json.
#include <array>

#include "base/error.h"
#include "tokenizer/gguf_pre.h"
#include "tokenizer/sources.h"

namespace halfbyte {
namespace {

constexpr std::string_view kPrefix = "tokenizer.ggml.";
constexpr std::string_view kSpaceMark = "\xE2\x96\x81";  // U+2581

std::string key(std::string_view name) {
  return std::string(kPrefix) + std::string(name);
}

void read_pieces(const Metadata& metadata, TokenizerSpec& spec) {
  const std::vector<std::string_view> tokens = metadata.get_strings(key("tokens"));
  if (tokens.empty()) fail_malformed(spec.file, "tokenizer.ggml.tokens is missing");
  if (tokens.size() > kMaxPieces) fail_unsupported(spec.file, "more than 2^22 tokens");
  spec.scores = metadata.get_floats(key("scores"));
  const std::vector<std::int64_t> types = metadata.get_ints(key("token_type"));
  if (!spec.scores.empty() && spec.scores.size() < tokens.size()) {
    fail_malformed(spec.file, "tokenizer.ggml.scores is shorter than the vocabulary");
  }
  if (!types.empty() && types.size() < tokens.size()) {
    fail_malformed(spec.file, "tokenizer.ggml.token_type is shorter than the vocabulary");
  }
  spec.scores.resize(tokens.size());
  spec.types.assign(tokens.size(), PieceType::kNormal);
  std::size_t bytes = 0;
  for (const std::string_view token : tokens) bytes += token.size();
  spec.vocab.reserve(tokens.size(), bytes);
  for (std::size_t i = 0; i < tokens.size(); ++i) {
    if (tokens[i].size() > kMaxPieceBytes) fail_unsupported(spec.file, "a token above 64 KiB");
    if (spec.scores[i] != spec.scores[i]) fail_malformed(spec.file, "tokenizer.ggml.scores: NaN");
    spec.vocab.set(static_cast<TokenId>(i), tokens[i]);
    if (!types.empty() && types[i] >= 0 && types[i] <= 6) {
      spec.types[i] = static_cast<PieceType>(types[i]);
    }
  }
}

// "a b"; the first byte may itself be a space. Merges of unknown pieces never apply.
void read_merges(const Metadata& metadata, TokenizerSpec& spec) {
  const std::vector<std::string_view> merges = metadata.get_strings(key("merges"));
  if (merges.empty() && spec.gguf_pre != "kimi-k2") {
    fail_malformed(spec.file, "tokenizer.ggml.merges is missing");
  }
  spec.merges.reserve(merges.size());
  std::string joined;
  for (const std::string_view merge : merges) {
    const std::size_t space = merge.find(' ', 1);
    if (space == std::string_view::npos) continue;
    const std::string_view left = merge.substr(0, space);
    const std::string_view right = merge.substr(space + 1);
    joined.assign(left).append(right);
    const Merge m{spec.vocab.find(left), spec.vocab.find(right), spec.vocab.find(joined)};
    if (m.left >= 0 && m.right >= 0 && m.result >= 0) spec.merges.push_back(m);
  }
}

// Control and unknown pieces are special; user-defined ones are whole, too, but ordinary text.
void list_added(TokenizerSpec& spec) {
  for (std::size_t i = 0; i < spec.types.size(); ++i) {
    const PieceType type = spec.types[i];
    const bool special = type == PieceType::kControl || type == PieceType::kUnknown;
    if (!special && type != PieceType::kUserDefined) continue;
    const auto id = static_cast<TokenId>(i);
    const std::string_view text = spec.vocab.text(id);
    // Only well-formed text can be found in text; and of equal pieces the last has the name.
    if (!is_valid_utf8(text) || spec.vocab.find(text) != id) continue;
    AddedToken token;
    token.text = text;
    token.special = special;
    add_token(spec, std::move(token), 0);
  }
}

// Phi-3's template relies on white space behind its tokens going away; GGUF has no key for that.
void apply_known_flags(const Metadata& metadata, TokenizerSpec& spec) {
  std::string name(metadata.get_string("general.name").value_or(""));
  for (char& c : name) c = c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
  if (name.find("phi-3") == std::string::npos && name.find("phi3") == std::string::npos) return;
  for (AddedToken& token : spec.added) {
    token.rstrip = token.text != "<unk>" && token.text != "<s>" && token.text != "<|endoftext|>";
  }
}

NormalizerSpec escape_spaces() {
  NormalizerSpec step;
  step.kind = NormalizerKind::kReplace;
  step.pattern.text = " ";
  step.content = kSpaceMark;
  return step;
}

void add_space_decoders(TokenizerSpec& spec, bool strips_first) {
  DecoderSpec replace;
  replace.kind = DecoderKind::kReplace;
  replace.pattern.text = kSpaceMark;
  replace.content = " ";
  spec.decoders.push_back(replace);
  for (const DecoderKind kind : {DecoderKind::kByteFallback, DecoderKind::kFuse}) {
    DecoderSpec step;
    step.kind = kind;
    spec.decoders.push_back(step);
  }
  if (!strips_first) return;
  DecoderSpec strip;
  strip.kind = DecoderKind::kStrip;
  strip.content = " ";
  strip.start = 1;
  spec.decoders.push_back(strip);
}

void read_spm(const Metadata& metadata, TokenizerSpec& spec) {
  spec.kind = TokenizerKind::kSentencePieceBpe;
  spec.byte_fallback = true;
  spec.gguf_space_prefix = metadata.get_bool(key("add_space_prefix")).value_or(true);
  if (spec.gguf_space_prefix) {
    NormalizerSpec prefix;
    prefix.kind = NormalizerKind::kPrepend;
    prefix.content = " ";
    spec.normalizers.push_back(prefix);
  }
  spec.normalizers.push_back(escape_spaces());
  add_space_decoders(spec, spec.gguf_space_prefix);
}

const GgufPre& pre_of(const Metadata& metadata, TokenizerSpec& spec, std::string_view forced) {
  spec.gguf_pre = metadata.get_string(key("pre")).value_or("default");
  if (!forced.empty()) spec.gguf_pre = forced;
  const GgufPre* row = find_gguf_pre(spec.gguf_pre);
  if (row == nullptr) fail_unsupported(spec.file, "pre-tokenizer " + spec.gguf_pre);
  return *row;
}

void read_bpe(const Metadata& metadata, TokenizerSpec& spec, const GgufPre& row) {
  spec.kind = TokenizerKind::kBpe;
  read_merges(metadata, spec);
  spec.ignore_merges = row.ignore_merges;
  spec.pre_tokenizers = gguf_pre_steps(row);
  if (row.raw) {
    spec.byte_fallback = true;
    spec.normalizers.push_back(escape_spaces());
    add_space_decoders(spec, false);
    return;
  }
  DecoderSpec bytes;
  bytes.kind = DecoderKind::kByteLevel;
  spec.decoders.push_back(bytes);
}

// The ids that llama.cpp takes where the file names none; -1: none.
struct Defaults {
  int bos = -1;
  int eos = -1;
  int unk = -1;
  bool add_bos = false;
};

void read_ids(const Metadata& metadata, TokenizerSpec& spec, const Defaults& defaults) {
  struct Named {
    const char* name;
    std::optional<TokenId> TokenizerSpec::*slot;
    int fallback;
  };
  const std::array<Named, 4> named = {{
      {"bos_token_id", &TokenizerSpec::bos, defaults.bos},
      {"eos_token_id", &TokenizerSpec::eos, defaults.eos},
      {"unknown_token_id", &TokenizerSpec::unk, defaults.unk},
      {"padding_token_id", &TokenizerSpec::pad, -1},
  }};
  const auto in_range = [&](std::int64_t id) {
    return id >= 0 && static_cast<std::uint64_t>(id) < spec.vocab.size();
  };
  for (const Named& one : named) {
    const auto id = metadata.get_int(key(one.name));
    const std::int64_t value = id && in_range(*id) ? *id : one.fallback;
    if (in_range(value)) spec.*one.slot = static_cast<TokenId>(value);
  }
  for (const char* name : {"eot_token_id", "eom_token_id"}) {
    const auto id = metadata.get_int(key(name));
    if (id && in_range(*id)) spec.end_ids.push_back(static_cast<TokenId>(*id));
  }
  const bool add_bos = metadata.get_bool(key("add_bos_token")).value_or(defaults.add_bos);
  set_adds_bos(spec, add_bos);
  set_adds_eos(spec, metadata.get_bool(key("add_eos_token")).value_or(false));
}

void keep_ids(const Metadata& metadata, TokenizerSpec& spec) {
  for (const Metadata::Entry& entry : metadata.entries()) {
    if (!entry.key.starts_with(kPrefix) || !entry.key.ends_with("_token_id")) continue;
    const auto id = metadata.get_uint(entry.key);
    if (id && *id < spec.vocab.size()) {
      spec.gguf_ids.emplace_back(entry.key, static_cast<std::uint32_t>(*id));
    }
  }
}

// Tokens that only a tokenizer_config.json named are special in the GGUF list alone.
void add_listed(const Metadata& metadata, TokenizerSpec& spec) {
  const std::vector<std::string_view> tokens = metadata.get_strings(key("tokens"));
  const std::vector<std::int64_t> types = metadata.get_ints(key("token_type"));
  const std::size_t count = spec.vocab.count();
  for (std::size_t i = 0; i < std::min(tokens.size(), types.size()); ++i) {
    const bool special = types[i] == static_cast<int>(PieceType::kControl);
    if (!special || find_added(spec, tokens[i]) != nullptr || !is_valid_utf8(tokens[i])) continue;
    AddedToken token;
    token.text = tokens[i];
    token.special = true;
    add_token(spec, std::move(token), count);
  }
}

TokenizerSpec read_embedded_json(const Metadata& metadata, std::string_view text) {
  TokenizerSpec spec = read_tokenizer_json(text, metadata.file);
  add_listed(metadata, spec);
  Defaults defaults;
  read_ids(metadata, spec, defaults);
  return spec;
}

TokenizerSpec read_keys(const Metadata& metadata) {
  TokenizerSpec spec;
  spec.source = TokenizerSource::kGguf;
  spec.file = metadata.file;
  const auto model = metadata.get_string(key("model"));
  if (!model) fail_malformed(spec.file, "tokenizer.ggml.model is missing");
  spec.gguf_model = *model;
  Defaults defaults;
  if (*model != "llama" && *model != "gpt2" && *model != "gemma4") {
    fail_unsupported(spec.file, "tokenizer model " + spec.gguf_model);
  }
  read_pieces(metadata, spec);
  if (*model == "llama") {
    read_spm(metadata, spec);
    defaults = {1, 2, 0, true};
  } else {
    const GgufPre& row = pre_of(metadata, spec, *model == "gemma4" ? "gemma4" : "");
    read_bpe(metadata, spec, row);
    if (*model == "gpt2") defaults = {11, 11, -1, row.add_bos};
    defaults.add_bos = row.add_bos;
  }
  list_added(spec);
  apply_known_flags(metadata, spec);
  read_ids(metadata, spec, defaults);
  if (spec.kind == TokenizerKind::kSentencePieceBpe) spec.model_unk = spec.unk;
  keep_ids(metadata, spec);
  return spec;
}

}  // namespace

TokenizerSpec read_gguf_tokenizer(const Metadata& metadata) {
  const auto text = metadata.get_string("tokenizer.huggingface.json");
  TokenizerSpec spec = text ? read_embedded_json(metadata, *text) : read_keys(metadata);
  spec.chat_template = metadata.get_string("tokenizer.chat_template").value_or("");
  return spec;
}

}  // namespace halfbyte
