// What a model carries besides its weights and goes along into a new file: its name, its licence,
// its tokenizer.
#pragma once

#include <optional>

#include "compress/target.h"
#include "formats/gguf.h"

namespace halfbyte {

class Carried {
 public:
  // The metadata of a GGUF source, of a bundle's tokenizer file, or what `plan.tokenizer` writes.
  // `keep_source`: also what rebuilds the tokenizer exactly.
  Carried(const OutputPlan& plan, bool keep_source);

  // Views into the source, which must outlive it. Holds general.* (without what describes the old
  // file's quantization), tokenizer.* and, from a GGUF source, its architecture's keys.
  const Metadata& metadata() const { return metadata_; }
  bool has_tokenizer() const;

 private:
  void take(const Metadata& metadata);

  std::optional<GgufFile> tokenizer_file_;  // of a bundle
  Metadata metadata_;
};

}  // namespace halfbyte
