// Finds the tokenizer that a path or a checkpoint brings.
#include "base/error.h"
#include "base/mapped_file.h"
#include "formats/gguf.h"
#include "tokenizer/sources.h"
#include "tokenizer/spec.h"

namespace halfbyte {
namespace {

std::string file_text(const Checkpoint& checkpoint, std::string_view name) {
  const auto path = checkpoint.file(name);
  return path ? read_text_file(*path) : "";
}

std::optional<TokenizerSpec> spec_of_folder(const Checkpoint& checkpoint) {
  if (const auto json = checkpoint.file("tokenizer.json")) {
    return read_tokenizer_json(read_text_file(*json), *json);
  }
  for (const char* name : {"tokenizer.model", "spiece.model", "sentencepiece.bpe.model"}) {
    const auto path = checkpoint.file(name);
    if (!path) continue;
    const MappedFile file(*path);
    TokenizerSpec spec = read_sentencepiece(file.bytes(), *path);
    // Beside a checkpoint the reference is the library that adds "<s>" and its like as tokens.
    spec.match_added = true;
    return spec;
  }
  return std::nullopt;
}

std::optional<Tokenizer> from_folder(const Checkpoint& checkpoint) {
  std::optional<TokenizerSpec> spec = spec_of_folder(checkpoint);
  if (!spec) return std::nullopt;
  if (const auto config = checkpoint.file("tokenizer_config.json")) {
    apply_tokenizer_config(*spec, read_text_file(*config), *config);
  }
  apply_model_config(*spec, checkpoint.generation_config());
  apply_model_config(*spec, checkpoint.config());
  const std::string source = file_text(checkpoint, "chat_template.jinja");
  if (!source.empty()) spec->chat_template = source;
  return Tokenizer::build(std::move(*spec));
}

bool ends_with(const std::string& path, std::string_view end) {
  return path.ends_with(end);
}

}  // namespace

std::optional<Tokenizer> Tokenizer::from_checkpoint(const Checkpoint& checkpoint) {
  switch (checkpoint.format()) {
    case Format::kFolder:
      return from_folder(checkpoint);
    case Format::kGguf:
      if (!checkpoint.metadata().contains("tokenizer.ggml.model")) return std::nullopt;
      return from_gguf(checkpoint.metadata());
    case Format::kBundle:
      break;
  }
  const std::string path =
      checkpoint.bundle() == nullptr ? "" : checkpoint.bundle()->tokenizer_path();
  if (path.empty()) return std::nullopt;
  return from_gguf(GgufFile(path).metadata());
}

Tokenizer Tokenizer::open(const std::string& path) {
  if (ends_with(path, ".json")) return from_json(read_text_file(path), "", path);
  if (ends_with(path, ".model")) {
    const MappedFile file(path);
    return from_sentencepiece(file.bytes(), path);
  }
  std::optional<Tokenizer> tokenizer = from_checkpoint(Checkpoint::open(path));
  if (!tokenizer) fail_unsupported(path, "a model without a tokenizer");
  return std::move(*tokenizer);
}

}  // namespace halfbyte
