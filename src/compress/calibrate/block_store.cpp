#include "compress/calibrate/block_store.h"

#include <filesystem>

#include <fmt/format.h>

#include "base/atomic_output.h"
#include "base/error.h"

namespace halfbyte {

namespace {

namespace fs = std::filesystem;

void write_json(const std::string& path, const Json& json) {
  AtomicFile file(path);
  file.file().write(json.dump(1));
  file.commit();
}

DType dtype_of(const Json& tensor, const std::string& path) {
  const DTypeInfo* type = find_dtype(tensor.at("dtype").get<std::string>());
  if (type == nullptr) fail_malformed(path, "names a type that is not known");
  return type->dtype;
}

}  // namespace

BlockStore::BlockStore(std::string folder, const Json& key, bool resume)
    : folder_(std::move(folder)) {
  const std::string key_path = folder_ + "/key.json";
  if (resume && fs::exists(key_path)) {
    if (read_json_file(key_path) != key) {
      fail_usage(fmt::format(
          "{} is of a run with other options, another source or another text; run without --resume",
          folder_));
    }
    while (fs::exists(path_of(blocks_.size(), "json"))) blocks_.push_back(open(blocks_.size()));
    return;
  }
  std::error_code error;
  fs::remove_all(folder_, error);
  fs::create_directories(folder_, error);
  if (error) fail_io(folder_, fmt::format("cannot create the folder: {}", error.message()));
  write_json(key_path, key);
}

std::string BlockStore::path_of(std::size_t block, const char* suffix) const {
  return fmt::format("{}/block_{:03}.{}", folder_, block, suffix);
}

void BlockStore::commit(const std::vector<StoredTensor>& tensors) {
  const std::size_t block = blocks_.size();
  Json index = Json::array();
  fs::remove(path_of(block, "bin"));  // of a run that was killed before it wrote the index
  OutputFile file(path_of(block, "bin"));
  for (const StoredTensor& tensor : tensors) {
    index.push_back({{"name", tensor.name},
                     {"dtype", name(tensor.dtype)},
                     {"shape", tensor.shape},
                     {"offset", file.size()},
                     {"bytes", tensor.rows.size()},
                     {"error", tensor.error}});
    if (tensor.tokens) {
      index.back()["tokens"] = *tensor.tokens;
      index.back()["starved"] = tensor.starved;
    }
    file.write(ByteView(tensor.rows));
  }
  file.close();
  write_json(path_of(block, "json"), index);
  blocks_.push_back(open(block));
}

BlockStore::StoredBlock BlockStore::open(std::size_t block) const {
  StoredBlock stored{MappedFile(path_of(block, "bin")), {}};
  const std::string path = path_of(block, "json");
  const ByteView all = stored.file.bytes();
  try {
    for (const Json& tensor : read_json_file(path)) {
      const auto offset = tensor.at("offset").get<std::uint64_t>();
      const auto bytes = tensor.at("bytes").get<std::uint64_t>();
      if (offset > all.size() || bytes > all.size() - offset) {
        fail_malformed(path, "names bytes that are not there; run without --resume");
      }
      ModelTensor view{tensor.at("name").get<std::string>(),
                       dtype_of(tensor, path),
                       tensor.at("shape").get<Shape>(),
                       "rows",
                       false,
                       all.subspan(offset, bytes)};
      LayerReport layer{view.name, view.dtype, tensor.at("error").get<double>()};
      if (tensor.contains("tokens")) {
        layer.tokens = tensor.at("tokens").get<std::uint64_t>();
        layer.starved = tensor.at("starved").get<bool>();
      }
      stored.entries.push_back({std::move(view), std::move(layer)});
    }
  } catch (const Json::exception& error) {
    fail_malformed(path, fmt::format("{}; run without --resume", error.what()));
  }
  return stored;
}

void BlockStore::apply(std::size_t block, ModelFiles& files) const {
  for (const Entry& entry : blocks_[block].entries) files.replace(entry.tensor);
}

std::vector<LayerReport> BlockStore::layers() const {
  std::vector<LayerReport> layers;
  for (const StoredBlock& block : blocks_) {
    for (const Entry& entry : block.entries) {
      if (entry.tensor.shape.size() == 2) layers.push_back(entry.layer);
    }
  }
  return layers;
}

void BlockStore::remove() {
  blocks_.clear();
  std::error_code ignored;
  fs::remove_all(folder_, ignored);
}

}  // namespace halfbyte
