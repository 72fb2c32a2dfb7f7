// The bundle: halfbyte's own deployable folder, read in place.
//
//   bundle.json     what the model is, the tensors of each file, sha256 of each file, source,
//   options tokenizer       a GGUF file without tensors that holds the tokenizer's metadata
//   embedding, block_000, block_001, ..., head
//                   packed weights, each at a 64-byte boundary, in the order the kernels read
//
// This room knows the container: names, types, shapes, layout names, byte ranges. What a layout
// means is for kernels/, what the model description means for model/.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "base/atomic_output.h"
#include "base/json.h"
#include "base/mapped_file.h"
#include "tensor/view.h"

namespace halfbyte {

constexpr int kBundleVersion = 1;

struct BundleTensor {
  std::string name;
  DType dtype = DType::f32;
  Shape shape;
  std::string layout;  // "rows" (as TensorView has it) or the name of a packed layout
  ByteView data;       // any length; readers of the layout check it
};

class Bundle {
 public:
  // Fails with kMalformed where bundle.json, a file's size or a byte range is wrong; with
  // kUnsupported for a newer version. Hashes are not checked here (see verify).
  explicit Bundle(const std::string& folder);
  static bool is_bundle(const std::string& folder);  // has bundle.json

  const std::string& path() const;
  const Json& description() const;  // all of bundle.json
  const std::vector<BundleTensor>& tensors() const;
  std::string tokenizer_path() const;  // "" if the bundle has none
  const std::vector<MappedFile>& mappings() const;
  // Hashes every file; fails with kMalformed naming the first that differs.
  void verify() const;

 private:
  struct State;
  std::shared_ptr<const State> state_;
};

// Writes one file after another, tensor by tensor, into an AtomicFolder.
class BundleWriter {
 public:
  explicit BundleWriter(AtomicFolder& folder);
  ~BundleWriter();
  void begin_file(const std::string& name);  // "embedding", "block_000", ...
  // The tensor's data, in one call; placed at the next 64-byte boundary.
  void add(const BundleTensor& tensor);
  // The same in pieces: `total` bytes must follow through write().
  void begin_tensor(const BundleTensor& tensor, std::uint64_t total);
  void write(ByteView bytes);
  // Copies a file that was written into the folder by someone else (the tokenizer) into the list.
  void register_file(const std::string& name);
  // Completes `description` with version, files and tensors, and writes bundle.json.
  void finish(Json description);

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace halfbyte
