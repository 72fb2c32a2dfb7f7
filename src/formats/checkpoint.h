// A checkpoint in any format that halfbyte reads, behind one type: named tensors, and what
// describes them. Opening maps files and reads headers; weights are touched only when used.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/json.h"
#include "formats/bundle.h"
#include "formats/gguf.h"
#include "tensor/view.h"

namespace halfbyte {

enum class Format { kFolder, kGguf, kBundle };  // kFolder: config.json + safetensors
std::string_view format_name(Format format);    // "safetensors", "gguf", "bundle"

class Checkpoint {
 public:
  // `path`: a folder as published, a .gguf file (the first of a split), a bundle folder. Fails with
  // kFailed (no such file), kMalformed, or kUnsupported (pickle and ONNX, for now).
  static Checkpoint open(const std::string& path);

  const std::string& path() const;
  Format format() const;
  // The tensors of a folder or GGUF file. Empty for a bundle, whose weights may be packed: see
  // bundle().
  const std::vector<TensorView>& tensors() const;
  const TensorView* find(std::string_view name) const;
  std::uint64_t bytes() const;  // size of all weight files

  const Json& config() const;             // config.json (kFolder), else null
  const Json& generation_config() const;  // generation_config.json if there is one, else null
  const Metadata& metadata() const;       // kGguf, else empty
  const Bundle* bundle() const;           // kBundle, else nullptr
  // Path of a file in the folder (kFolder) if it exists: "tokenizer.json", "chat_template.jinja",
  // ...
  std::optional<std::string> file(std::string_view name) const;
  // Drops mapped pages of a tensor that will not be used again soon.
  void release(const TensorView& tensor) const;

 private:
  struct State;
  std::shared_ptr<const State> state_;
};

}  // namespace halfbyte
