// BundleWriter: files one after another, hashed while they are written, then bundle.json.
#include <algorithm>
#include <optional>
#include <utility>

#include <fmt/format.h>

#include "base/sha256.h"
#include "formats/bundle.h"
#include "formats/checks.h"

namespace halfbyte {

namespace {

constexpr std::uint64_t kBundleAlignment = 64;

Json tensor_entry(const BundleTensor& tensor, const std::string& file, std::uint64_t offset,
                  std::uint64_t bytes) {
  return {{"name", tensor.name},   {"dtype", std::string(name(tensor.dtype))},
          {"shape", tensor.shape}, {"layout", tensor.layout},
          {"file", file},          {"offset", offset},
          {"bytes", bytes}};
}

// As JSON, the long lists one element a line: readable, and quick to parse.
std::string description_text(const Json& description) {
  std::string text = "{";
  for (const auto& [key, value] : description.items()) {
    text += fmt::format("{}\n  {}: ", text.size() == 1 ? "" : ",", Json(key).dump());
    if ((key != "files" && key != "tensors") || value.empty()) {
      text += value.dump();
      continue;
    }
    std::string_view separator = "[\n    ";
    for (const Json& element : value) {
      text += fmt::format("{}{}", separator, element.dump());
      separator = ",\n    ";
    }
    text += "\n  ]";
  }
  return text + "\n}\n";
}

}  // namespace

struct BundleWriter::State {
  explicit State(AtomicFolder& target) : folder(target) {}

  // The file being written.
  struct Current {
    Current(const std::string& path, std::string file_name)
        : out(path), name(std::move(file_name)) {}
    OutputFile out;
    std::string name;
    Sha256 hash;
    std::uint64_t left = 0;  // bytes of the current tensor still to come
  };

  AtomicFolder& folder;
  std::optional<Current> current;
  Json files = Json::array();
  Json tensors = Json::array();

  void check_new(const std::string& name) const;
  void append(ByteView bytes);
  void align();
  void end_file();
  void list_file(const std::string& name, std::uint64_t bytes, const std::string& sha256) {
    files.push_back({{"name", name}, {"bytes", bytes}, {"sha256", sha256}});
  }
};

void BundleWriter::State::check_new(const std::string& name) const {
  const bool known = std::any_of(files.begin(), files.end(),
                                 [&](const Json& file) { return file.at("name") == name; });
  if (!is_plain_file_name(name) || known || name == "bundle.json") {
    fail_usage(fmt::format("a bundle cannot have a (second) file named {}", in_quotes(name)));
  }
}

void BundleWriter::State::append(ByteView bytes) {
  current->out.write(bytes);
  current->hash.update(bytes);
}

void BundleWriter::State::align() {
  static constexpr std::byte kZeros[kBundleAlignment] = {};
  const std::uint64_t rest = current->out.size() % kBundleAlignment;
  if (rest != 0) append(ByteView(kZeros).first(kBundleAlignment - rest));
}

void BundleWriter::State::end_file() {
  if (!current) return;
  if (current->left != 0) fail_io(current->out.path(), "its last tensor lacks data");
  align();
  const std::uint64_t bytes = current->out.size();
  current->out.close();
  list_file(current->name, bytes, current->hash.hex());
  current.reset();
}

BundleWriter::BundleWriter(AtomicFolder& folder) : state_(std::make_unique<State>(folder)) {}

BundleWriter::~BundleWriter() = default;

void BundleWriter::begin_file(const std::string& name) {
  state_->end_file();
  state_->check_new(name);
  state_->current.emplace(state_->folder.path_of(name), name);
}

void BundleWriter::add(const BundleTensor& tensor) {
  begin_tensor(tensor, tensor.data.size());
  write(tensor.data);
}

void BundleWriter::begin_tensor(const BundleTensor& tensor, std::uint64_t total) {
  if (!state_->current) fail_usage("a bundle's tensor needs a file: call begin_file first");
  if (state_->current->left != 0) {
    fail_io(state_->current->out.path(), "a tensor lacks data before " + in_quotes(tensor.name));
  }
  state_->align();
  state_->current->left = total;
  state_->tensors.push_back(
      tensor_entry(tensor, state_->current->name, state_->current->out.size(), total));
}

void BundleWriter::write(ByteView bytes) {
  if (bytes.empty()) return;
  if (!state_->current || bytes.size() > state_->current->left) {
    fail_io("", "more data than the bundle's tensor holds");
  }
  state_->append(bytes);
  state_->current->left -= bytes.size();
}

void BundleWriter::register_file(const std::string& name) {
  state_->check_new(name);
  const MappedFile file(state_->folder.path_of(name));
  state_->list_file(name, file.bytes().size(), sha256_hex(file.bytes()));
}

void BundleWriter::finish(Json description) {
  state_->end_file();
  Json all = {{"format", "halfbyte-bundle"}, {"version", kBundleVersion}};
  for (const auto& [key, value] : description.items()) {
    if (!all.contains(key)) all[key] = value;
  }
  all["files"] = std::move(state_->files);
  all["tensors"] = std::move(state_->tensors);
  OutputFile out(state_->folder.path_of("bundle.json"));
  out.write(description_text(all));
  out.close();
}

}  // namespace halfbyte
