#include "compress/carried.h"

#include <algorithm>
#include <filesystem>

namespace halfbyte {

namespace {

// Keys that describe the file they stand in, not the model.
constexpr std::string_view kOfTheFile[] = {"general.file_type",
                                           "general.quantization_version",
                                           "general.alignment",
                                           "general.quantized_by",
                                           "split.",
                                           "quantize.",
                                           "halfbyte."};

bool describes_file(std::string_view key) {
  return std::any_of(std::begin(kOfTheFile), std::end(kOfTheFile),
                     [&](std::string_view start) { return key.starts_with(start); });
}

std::string base_name(const std::string& path) {
  const std::filesystem::path p(path);
  return p.has_filename() ? p.filename().string() : p.parent_path().filename().string();
}

}  // namespace

Carried::Carried(const OutputPlan& plan, bool keep_source) {
  const Checkpoint& source = plan.source.checkpoint();
  metadata_.set_string("general.architecture", plan.source.family().gguf_archs.front());
  metadata_.set_string("general.type", "model");
  take(source.metadata());
  if (source.bundle() != nullptr && !source.bundle()->tokenizer_path().empty()) {
    tokenizer_file_.emplace(source.bundle()->tokenizer_path());
    take(tokenizer_file_->metadata());
  }
  if (!metadata_.contains("general.name")) {
    metadata_.set_string("general.name", base_name(source.path()));
  }
  if (!has_tokenizer() && plan.tokenizer != nullptr) {
    plan.tokenizer->to_gguf(metadata_, plan.spec.vocab, keep_source);
  }
}

void Carried::take(const Metadata& metadata) {
  for (const Metadata::Entry& entry : metadata.entries()) {
    if (!describes_file(entry.key)) metadata_.set(entry.key, entry.value);
  }
}

bool Carried::has_tokenizer() const {
  return metadata_.contains("tokenizer.ggml.model");
}

}  // namespace halfbyte
