// A model on disk: its description and its tensors under our names, whatever the format.
#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "formats/checkpoint.h"
#include "model/families.h"
#include "model/quantized_modules.h"
#include "model/spec.h"

namespace halfbyte {

// One tensor of the model. `shape` is that of the model's matrix, [outputs, inputs].
struct ModelTensor {
  std::string name;  // ours (GGUF's): "blk.0.attn_q.weight"
  DType dtype = DType::f32;
  Shape shape;
  std::string layout;       // "rows" or a packed layout's name (bundles)
  bool transposed = false;  // "rows", but stored [inputs, outputs]
  ByteView data;
  std::uint64_t stored = 0;  // bytes in the file where `data` was repacked from there, else 0
};

class ModelFiles {
 public:
  // Reads the description and maps the names. Fails with kUnsupported for a tensor that the family
  // does not know, with kMalformed where a shape contradicts the description.
  explicit ModelFiles(const std::string& path);
  explicit ModelFiles(Checkpoint checkpoint);

  const Checkpoint& checkpoint() const { return checkpoint_; }
  const ModelSpec& spec() const { return spec_; }
  const Family& family() const { return *family_; }
  const std::vector<ModelTensor>& tensors() const { return tensors_; }  // in the file's order
  const ModelTensor* find(std::string_view name) const;
  // As find; fails with kMalformed where the tensor is missing.
  const ModelTensor& need(std::string_view name) const;
  // Another tensor takes the place of that name, in any type and layout. Its data must outlive
  // this. Fails with kMalformed where there is none or its shape differs.
  void replace(ModelTensor tensor);
  std::uint64_t parameters() const;    // elements of all tensors
  std::uint64_t weight_bytes() const;  // bytes of all tensors as stored

 private:
  void read_folder();
  void add_published(const TensorView& view, std::uint64_t stored = 0);
  void add_module(QuantizedModule module);
  void read_gguf();
  void add_stack(const TensorView& view);
  void read_bundle();
  void add(ModelTensor tensor);

  Checkpoint checkpoint_;
  ModelSpec spec_;
  const Family* family_ = nullptr;
  std::vector<ModelTensor> tensors_;
  // Rows of modules that the folder stores in other layouts, repacked.
  std::vector<std::shared_ptr<const std::vector<std::byte>>> repacked_;
  std::unordered_map<std::string, std::size_t> index_;
};

}  // namespace halfbyte
