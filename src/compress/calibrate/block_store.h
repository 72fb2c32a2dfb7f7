// Finished blocks of a calibrated compression, on disk, so that a killed run can go on.
//
// The folder holds key.json (what the run was asked for), and for each block its tensors' encoded
// rows (block_000.bin) and where they lie (block_000.json). The .json is renamed into place last:
// a block counts once it is there.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "base/json.h"
#include "base/mapped_file.h"
#include "compress/report.h"
#include "model/model_files.h"

namespace halfbyte {

// A tensor as it will be written: rows in its type's own format.
struct StoredTensor {
  std::string name;
  DType dtype = DType::f32;
  Shape shape;
  std::vector<std::byte> rows;
  double error = 0.0;                                  // relative, of the layer's output
  std::optional<std::uint64_t> tokens = std::nullopt;  // as LayerReport has them
  bool starved = false;
};

class BlockStore {
 public:
  // Makes `folder`. With `resume` the blocks of an earlier run stay; fails with kUsage where that
  // was asked for something else. Without it they are deleted.
  BlockStore(std::string folder, const Json& key, bool resume);

  const std::string& folder() const { return folder_; }
  std::size_t blocks() const { return blocks_.size(); }
  // The next block is finished.
  void commit(const std::vector<StoredTensor>& tensors);
  // The stored tensors of one block take the place of those in `files`; they live in the store.
  void apply(std::size_t block, ModelFiles& files) const;
  // Matrices of all blocks with their errors.
  std::vector<LayerReport> layers() const;
  void remove();

 private:
  struct Entry {
    ModelTensor tensor;
    LayerReport layer;
  };
  struct StoredBlock {
    MappedFile file;
    std::vector<Entry> entries;
  };
  std::string path_of(std::size_t block, const char* suffix) const;
  StoredBlock open(std::size_t block) const;

  std::string folder_;
  std::vector<StoredBlock> blocks_;
};

}  // namespace halfbyte
