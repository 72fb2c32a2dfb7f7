// Text to token ids and back, for every tokenizer kind, exactly as the model's own library does it.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/bytes.h"
#include "formats/checkpoint.h"
#include "formats/metadata.h"

namespace halfbyte {

using TokenId = std::int32_t;

enum class TokenizerKind { kBpe, kSentencePieceBpe, kUnigram, kWordPiece };
std::string_view tokenizer_kind_name(TokenizerKind kind);  // "bpe", "spm", "unigram", "wordpiece"

struct EncodeOptions {
  bool add_special = false;  // what the post-processor adds: <s>, [CLS], ...
  bool parse_special =
      true;  // "<|im_start|>" in the text is the token, as in the reference library
};

struct TokenizerSpec;

class Tokenizer {
 public:
  // tokenizer.json, with tokenizer_config.json (or "") for bos, eos and add_bos/add_eos.
  static Tokenizer from_json(std::string_view text, std::string_view config, std::string_view file);
  // spiece.model / tokenizer.model.
  static Tokenizer from_sentencepiece(ByteView bytes, std::string_view file);
  // tokenizer.ggml.* (or tokenizer.huggingface.json) of a GGUF file.
  static Tokenizer from_gguf(const Metadata& metadata);
  // What a checkpoint brings; nullopt where it brings none.
  static std::optional<Tokenizer> from_checkpoint(const Checkpoint& checkpoint);
  // A model of any format, or a bare tokenizer.json or spiece.model.
  static Tokenizer open(const std::string& path);

  TokenizerKind kind() const;
  std::size_t vocab_size() const;  // ids are below it
  // The vocabulary's own spelling of a token ("Ġthe", "▁the", "<0x0A>"); "" for an id without one.
  std::string_view piece(TokenId id) const;
  std::optional<TokenId> find_piece(std::string_view piece) const;
  bool is_special(TokenId id) const;

  std::optional<TokenId> bos() const;
  std::optional<TokenId> eos() const;
  std::optional<TokenId> unk() const;
  std::optional<TokenId> pad() const;
  bool adds_bos() const;  // add_special puts bos() first
  // Ids that end a reply: eos, and end-of-turn tokens that the vocabulary declares.
  const std::vector<TokenId>& end_ids() const;

  // Ill-formed UTF-8 in `text` is read as U+FFFD. At most 256 MiB at once (kUsage above that).
  std::vector<TokenId> encode(std::string_view text, const EncodeOptions& options = {}) const;
  // Invalid UTF-8 that tokens make up becomes U+FFFD.
  std::string decode(const std::vector<TokenId>& ids, bool skip_special = false) const;

  // Chat template source, "" if the model brings none.
  const std::string& chat_template() const;
  void set_chat_template(std::string source);

  // Writes tokenizer.ggml.* (llama.cpp's own keys, so that it tokenizes alike), chat template
  // included. `vocab_size` >= vocab_size(): ids up to it are padded as unused tokens.
  // With `keep_source` also what rebuilds this tokenizer exactly (tokenizer.huggingface.json).
  void to_gguf(Metadata& metadata, std::size_t vocab_size, bool keep_source) const;

  struct State;
  const State& state() const { return *state_; }
  // From a resolved description; what all readers end in.
  static Tokenizer build(TokenizerSpec spec);

 private:
  explicit Tokenizer(std::shared_ptr<const State> state);

  std::shared_ptr<const State> state_;
  std::string chat_template_;
};

// Decodes a growing sequence; text comes out only in whole characters.
class StreamDecoder {
 public:
  explicit StreamDecoder(const Tokenizer& tokenizer, bool skip_special = true);
  ~StreamDecoder();
  // The text that this token completes (may be "").
  std::string push(TokenId id);
  // What is left, an unfinished character as U+FFFD.
  std::string finish();

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace halfbyte
