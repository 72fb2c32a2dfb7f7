// safetensors: reading (one file, or a sharded folder by its index) and writing.
// Source: the safetensors format description. Stricter than it in one point: duplicate keys are
// refused.
#pragma once

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "base/atomic_output.h"
#include "base/mapped_file.h"
#include "tensor/view.h"

namespace halfbyte {

struct SafetensorsImage {
  std::map<std::string, std::string> metadata;  // "__metadata__"
  std::vector<TensorView> tensors;              // in the order of their data
};
// Types that halfbyte does not know (F8_E4M3, ...) fail with kUnsupported naming type and tensor.
SafetensorsImage parse_safetensors(ByteView bytes, std::string_view file);

// One .safetensors file, or all shards that an index names. Shard names must be plain file names in
// the index's folder; every tensor must be in the shard that the index says, and no other.
class SafetensorsFile {
 public:
  static SafetensorsFile open(const std::string& path);
  static SafetensorsFile open_index(const std::string& index_path);

  const std::vector<TensorView>& tensors() const;
  const std::map<std::string, std::string>& metadata() const;
  const std::vector<MappedFile>& mappings() const;

 private:
  struct State;
  std::shared_ptr<const State> state_;
};

// Streams tensors in the given order after a header that describes them all. `metadata` becomes
// "__metadata__" where not empty.
class SafetensorsWriter {
 public:
  struct Tensor {
    std::string name;
    DType dtype;
    Shape shape;
  };
  SafetensorsWriter(OutputFile& out, const std::vector<Tensor>& tensors,
                    const std::map<std::string, std::string>& metadata = {});
  void write(ByteView bytes);
  void finish();

 private:
  OutputFile& out_;
  std::uint64_t expected_ = 0;
  std::uint64_t written_ = 0;
};

}  // namespace halfbyte
