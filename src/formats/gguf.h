// GGUF, versions 2 and 3, little-endian: reading (mapped, lazily, also split files) and writing.
// Source: the GGUF specification of the ggml project.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "base/atomic_output.h"
#include "base/mapped_file.h"
#include "formats/metadata.h"
#include "tensor/view.h"

namespace halfbyte {

// An opened GGUF file or all files of a split (given its first). Tensor data and strings are views
// into the mappings. A tensor of a type that halfbyte does not read fails with kUnsupported naming
// the type and the tensor; everything malformed with kMalformed naming the byte.
class GgufFile {
 public:
  explicit GgufFile(const std::string& path);

  const std::string& path() const;
  std::uint32_t version() const;
  const Metadata& metadata() const;                // of the first file
  const std::vector<TensorView>& tensors() const;  // of all files, in order; names are unique
  const std::vector<MappedFile>& mappings() const;

 private:
  struct State;
  std::shared_ptr<const State> state_;
};

// Parses a GGUF image in memory (what the fuzzer and GgufFile call). Views point into `bytes`.
struct GgufImage {
  std::uint32_t version = 0;
  Metadata metadata;
  std::vector<TensorView> tensors;
};
GgufImage parse_gguf(ByteView bytes, std::string_view file);

// Writes version 3. All tensors are announced first (their sizes are known from type and shape);
// then their data follows in the same order, streamed.
class GgufWriter {
 public:
  struct Tensor {
    std::string name;
    DType dtype;
    Shape shape;
  };
  // Writes header, metadata and the tensor table, padded to general.alignment (32 if unset).
  GgufWriter(OutputFile& out, const Metadata& metadata, std::vector<Tensor> tensors);
  // Appends bytes of the current tensor; it ends, and is padded, when all its bytes are there.
  void write(ByteView bytes);
  // Fails if a tensor is missing bytes. The OutputFile stays open.
  void finish();

 private:
  void end_full_tensors();

  OutputFile& out_;
  std::vector<Tensor> tensors_;
  std::uint64_t alignment_;
  std::size_t current_ = 0;
  std::uint64_t written_ = 0;
};

}  // namespace halfbyte
