// Bundle: reads bundle.json, maps every file, and checks each range; weights are not touched.
#include "formats/bundle.h"

#include <filesystem>
#include <unordered_map>
#include <unordered_set>
#include <utility>

#include <fmt/format.h>

#include "base/sha256.h"
#include "formats/checks.h"

namespace halfbyte {

namespace fs = std::filesystem;

namespace {

constexpr std::string_view kDescriptionFile = "bundle.json";
constexpr std::string_view kFormat = "halfbyte-bundle";
constexpr std::string_view kTokenizerFile = "tokenizer";
constexpr std::string_view kPlainLayout = "rows";
constexpr std::uint64_t kMaxDescription = std::uint64_t{8} << 20;
constexpr std::size_t kMaxFiles = 65536;
constexpr std::uint64_t kBundleAlignment = 64;

// Typed members of an object of bundle.json; `where` is its place, for messages.
class Fields {
 public:
  Fields(const Json& json, const std::string& file, std::string where)
      : json_(json), file_(file), where_(std::move(where)) {
    if (!json.is_object()) fail("is not an object");
  }

  const Json& get(std::string_view key) const {
    const auto it = json_.find(key);
    if (it == json_.end()) fail(fmt::format("lacks '{}'", key));
    return *it;
  }

  std::string text(std::string_view key) const {
    const Json& value = get(key);
    if (!value.is_string()) fail(fmt::format("'{}' is not a string", key));
    return value.get<std::string>();
  }

  std::uint64_t number(std::string_view key) const { return as_number(get(key), key); }

  std::uint64_t as_number(const Json& value, std::string_view key) const {
    if (!value.is_number_unsigned()) fail(fmt::format("'{}' is not an integer from 0", key));
    return value.get<std::uint64_t>();
  }

  const Json& list(std::string_view key, std::size_t max_length) const {
    const Json& value = get(key);
    if (!value.is_array() || value.size() > max_length) {
      fail(fmt::format("'{}' is not a list of at most {}", key, max_length));
    }
    return value;
  }

  [[noreturn]] void fail(std::string_view what) const {
    fail_malformed(file_, fmt::format("{}: {}", where_, what));
  }

 private:
  const Json& json_;
  const std::string& file_;
  std::string where_;
};

struct FileEntry {
  std::string name;
  std::string sha256;
};

Shape read_shape(const Fields& fields) {
  Shape shape;
  for (const Json& n : fields.list("shape", kMaxDimensions)) {
    shape.push_back(fields.as_number(n, "shape"));
  }
  if (!is_sane_shape(shape)) fields.fail("'shape' has too many elements");
  return shape;
}

}  // namespace

struct Bundle::State {
  std::string path;
  std::string json_path;
  Json description;
  std::vector<FileEntry> files;
  std::vector<MappedFile> mappings;  // one a file
  std::vector<BundleTensor> tensors;
  std::string tokenizer_path;

  void read_files(const Fields& root);
  void read_tensors(const Fields& root);
  BundleTensor read_tensor(const Fields& fields,
                           const std::unordered_map<std::string, std::size_t>& numbers) const;
};

void Bundle::State::read_files(const Fields& root) {
  const Json& list = root.list("files", kMaxFiles);
  std::unordered_set<std::string> seen;
  for (std::size_t i = 0; i < list.size(); ++i) {
    const Fields fields(list[i], json_path, fmt::format("files[{}]", i));
    const std::string name = fields.text("name");
    if (!is_plain_file_name(name)) fields.fail(in_quotes(name) + " is no plain file name");
    if (!seen.insert(name).second) fields.fail(in_quotes(name) + " occurs twice");
    const std::string file = (fs::path(path) / name).string();
    mappings.emplace_back(file);
    const std::uint64_t bytes = fields.number("bytes");
    if (mappings.back().bytes().size() != bytes) {
      fail_malformed(file, fmt::format("has {} bytes, {} says {}", mappings.back().bytes().size(),
                                       kDescriptionFile, bytes));
    }
    files.push_back({name, fields.text("sha256")});
    if (name == kTokenizerFile) tokenizer_path = file;
  }
}

BundleTensor Bundle::State::read_tensor(
    const Fields& fields, const std::unordered_map<std::string, std::size_t>& numbers) const {
  BundleTensor tensor;
  tensor.name = fields.text("name");
  if (!is_clean_name(tensor.name)) fields.fail("'name' is empty or not clean text");
  const std::string dtype = fields.text("dtype");
  const DTypeInfo* type = find_dtype(dtype);
  if (type == nullptr) fields.fail("unknown dtype " + in_quotes(dtype));
  tensor.dtype = type->dtype;
  tensor.shape = read_shape(fields);
  tensor.layout = fields.text("layout");
  const std::string file = fields.text("file");
  const auto number = numbers.find(file);
  if (number == numbers.end()) fields.fail("no file " + in_quotes(file));
  const ByteView all = mappings[number->second].bytes();
  const std::uint64_t offset = fields.number("offset");
  const std::uint64_t bytes = fields.number("bytes");
  if (offset % kBundleAlignment != 0) fields.fail("'offset' is no multiple of 64");
  if (offset > all.size() || bytes > all.size() - offset) {
    fields.fail(fmt::format("bytes {} + {} end past {} ({} bytes)", offset, bytes, in_quotes(file),
                            all.size()));
  }
  if (tensor.layout == kPlainLayout && tensor_bytes(tensor.dtype, tensor.shape) != bytes) {
    fields.fail(
        fmt::format("'bytes' is {}, which {} {} are not", bytes, to_string(tensor.shape), dtype));
  }
  tensor.data = all.subspan(offset, bytes);
  return tensor;
}

void Bundle::State::read_tensors(const Fields& root) {
  const Json& list = root.list("tensors", kMaxTensors);
  std::unordered_map<std::string, std::size_t> numbers;
  for (std::size_t i = 0; i < files.size(); ++i) numbers.emplace(files[i].name, i);
  std::unordered_set<std::string_view> seen;
  tensors.reserve(list.size());  // `seen` points into it
  for (std::size_t i = 0; i < list.size(); ++i) {
    const Fields fields(list[i], json_path, fmt::format("tensors[{}]", i));
    tensors.push_back(read_tensor(fields, numbers));
    const std::string& name = tensors.back().name;
    if (!seen.insert(name).second) fields.fail(in_quotes(name) + " occurs twice");
  }
}

Bundle::Bundle(const std::string& folder) {
  auto state = std::make_shared<State>();
  state->path = folder;
  state->json_path = (fs::path(folder) / kDescriptionFile).string();
  state->description = read_json_file(state->json_path, kMaxDescription);
  const Fields root(state->description, state->json_path, "the bundle");
  if (root.text("format") != kFormat) root.fail("'format' is not halfbyte-bundle");
  const std::uint64_t version = root.number("version");
  if (version > kBundleVersion) {
    fail_unsupported(state->json_path,
                     fmt::format("bundle version {}; up to {} is read", version, kBundleVersion));
  }
  if (version == 0) root.fail("'version' is 0");
  state->read_files(root);
  state->read_tensors(root);
  state_ = std::move(state);
}

bool Bundle::is_bundle(const std::string& folder) {
  std::error_code ignored;
  return fs::is_regular_file(fs::path(folder) / kDescriptionFile, ignored);
}

const std::string& Bundle::path() const {
  return state_->path;
}

const Json& Bundle::description() const {
  return state_->description;
}

const std::vector<BundleTensor>& Bundle::tensors() const {
  return state_->tensors;
}

std::string Bundle::tokenizer_path() const {
  return state_->tokenizer_path;
}

const std::vector<MappedFile>& Bundle::mappings() const {
  return state_->mappings;
}

void Bundle::verify() const {
  for (std::size_t i = 0; i < state_->files.size(); ++i) {
    const MappedFile& file = state_->mappings[i];
    if (sha256_hex(file.bytes()) != state_->files[i].sha256) {
      fail_malformed(file.path(), "its content does not have the sha256 that bundle.json says");
    }
  }
}

}  // namespace halfbyte
