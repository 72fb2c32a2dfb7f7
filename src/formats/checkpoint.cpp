#include "formats/checkpoint.h"

#include <algorithm>
#include <array>
#include <filesystem>
#include <functional>
#include <unordered_map>
#include <utility>

#include <fmt/format.h>

#include "formats/checks.h"
#include "formats/safetensors.h"

namespace halfbyte {

namespace fs = std::filesystem;

struct Checkpoint::State {
  std::string path;
  std::string folder;  // of the files beside the weights; "" where format is not kFolder
  Format format = Format::kFolder;
  Json config;
  Json generation_config;
  // At most one of these is there; the pointers below lead into it, or to the empty ones.
  std::optional<GgufFile> gguf;
  std::optional<SafetensorsFile> safetensors;
  std::optional<Bundle> bundle;
  const Metadata no_metadata{};
  const std::vector<TensorView> no_tensors{};
  const std::vector<MappedFile> no_mappings{};
  const Metadata* metadata = &no_metadata;
  const std::vector<TensorView>* tensors = &no_tensors;
  const std::vector<MappedFile>* mappings = &no_mappings;
  std::unordered_map<std::string_view, const TensorView*> by_name;  // keys are the tensors' names

  void open_gguf();
  void open_bundle();
  void open_folder(const std::optional<std::string>& weights);
  void index_tensors();
};

namespace {

constexpr std::uint64_t kMaxConfig = std::uint64_t{4} << 20;
constexpr std::string_view kIndexEnding = ".safetensors.index.json";

// Any of these makes a folder without weights one that `tokenize` and `template` can use.
constexpr std::array<std::string_view, 10> kUsefulAlone = {
    "config.json",
    "tokenizer.json",
    "tokenizer_config.json",
    "tokenizer.model",
    "spiece.model",
    "vocab.txt",
    "vocab.json",
    "chat_template.jinja",
    "chat_template.json",
    "sentencepiece.bpe.model",
};

// Weights of formats that are known but not read, by the ending of their names.
struct UnreadFormat {
  std::string_view ending;
  std::string_view what;
};
constexpr std::array kUnreadFormats = {
    UnreadFormat{".bin", "PyTorch pickle"}, UnreadFormat{".pt", "PyTorch pickle"},
    UnreadFormat{".pth", "PyTorch pickle"}, UnreadFormat{".ckpt", "PyTorch pickle"},
    UnreadFormat{".onnx", "ONNX"},          UnreadFormat{".h5", "Keras"},
    UnreadFormat{".msgpack", "Flax"},       UnreadFormat{".tflite", "TensorFlow Lite"},
};

const UnreadFormat* find_unread(std::string_view name) {
  const auto* it =
      std::find_if(kUnreadFormats.begin(), kUnreadFormats.end(),
                   [&](const UnreadFormat& format) { return name.ends_with(format.ending); });
  return it == kUnreadFormats.end() ? nullptr : it;
}

bool is_file(const fs::path& path) {
  std::error_code ignored;
  return fs::is_regular_file(path, ignored);
}

// Names of the regular files in a folder, sorted.
std::vector<std::string> file_names(const std::string& folder) {
  std::error_code error;
  std::vector<std::string> names;
  for (fs::directory_iterator it(folder, error), end; !error && it != end; it.increment(error)) {
    if (is_file(it->path())) names.push_back(it->path().filename().string());
  }
  if (error) fail_io(folder, "cannot read the folder: " + error.message());
  std::sort(names.begin(), names.end());
  return names;
}

Json read_config(const std::string& folder, std::string_view name) {
  const fs::path path = fs::path(folder) / name;
  if (!is_file(path)) return nullptr;
  Json json = read_json_file(path.string(), kMaxConfig);
  if (!json.is_object()) fail_malformed(path.string(), "is not a JSON object");
  return json;
}

// The weights of a folder: a .safetensors file or an index; nullopt if it has none and may do
// without.
std::optional<std::string> find_weights(const std::string& folder) {
  for (const std::string_view name : {"model.safetensors", "model.safetensors.index.json"}) {
    if (is_file(fs::path(folder) / name)) return std::string(name);
  }
  const std::vector<std::string> names = file_names(folder);
  const auto of_ending = [&](std::string_view ending) {
    std::vector<std::string> found;
    std::copy_if(names.begin(), names.end(), std::back_inserter(found),
                 [&](const std::string& name) { return name.ends_with(ending); });
    return found;
  };
  for (const std::string_view ending : {kIndexEnding, std::string_view(".safetensors")}) {
    const std::vector<std::string> found = of_ending(ending);
    if (found.size() == 1) return found.front();
    if (found.size() > 1) {
      fail_malformed(folder, fmt::format("has {} and {}, but no model.safetensors or its index",
                                         found[0], found[1]));
    }
  }
  for (const std::string& name : names) {
    if (const UnreadFormat* format = find_unread(name)) {
      fail_unsupported(folder,
                       fmt::format("its weights ({}) are {}, which a later version will read; use "
                                   "safetensors or GGUF",
                                   name, format->what));
    }
  }
  if (const auto found = of_ending(".gguf"); !found.empty()) {
    fail_usage(fmt::format("{} holds GGUF files; name one, such as {}", folder, found.front()));
  }
  if (std::none_of(kUsefulAlone.begin(), kUsefulAlone.end(), [&](std::string_view name) {
        return std::binary_search(names.begin(), names.end(), name);
      })) {
    fail_malformed(folder, "no checkpoint: it has neither weights, config.json nor a tokenizer");
  }
  return std::nullopt;
}

}  // namespace

std::string_view format_name(Format format) {
  constexpr std::array<std::string_view, 3> kNames = {"safetensors", "gguf", "bundle"};
  return kNames[static_cast<std::size_t>(format)];
}

void Checkpoint::State::open_gguf() {
  format = Format::kGguf;
  gguf.emplace(path);
  tensors = &gguf->tensors();
  metadata = &gguf->metadata();
  mappings = &gguf->mappings();
}

void Checkpoint::State::open_bundle() {
  format = Format::kBundle;
  bundle.emplace(path);
  mappings = &bundle->mappings();
}

void Checkpoint::State::open_folder(const std::optional<std::string>& weights) {
  config = read_config(folder, "config.json");
  generation_config = read_config(folder, "generation_config.json");
  if (!weights) return;
  const std::string file = (fs::path(folder) / *weights).string();
  safetensors =
      file.ends_with(".json") ? SafetensorsFile::open_index(file) : SafetensorsFile::open(file);
  tensors = &safetensors->tensors();
  mappings = &safetensors->mappings();
}

void Checkpoint::State::index_tensors() {
  by_name.reserve(tensors->size());
  for (const TensorView& tensor : *tensors) by_name.emplace(tensor.name, &tensor);
}

Checkpoint Checkpoint::open(const std::string& path) {
  auto state = std::make_shared<State>();
  state->path = path;
  std::error_code ignored;
  if (fs::is_directory(path, ignored)) {
    if (Bundle::is_bundle(path)) {
      state->open_bundle();
    } else {
      state->folder = path;
      state->open_folder(find_weights(path));
    }
  } else if (path.ends_with(".safetensors") || path.ends_with(kIndexEnding)) {
    const fs::path file(path);
    state->folder = file.has_parent_path() ? file.parent_path().string() : ".";
    state->open_folder(file.filename().string());
  } else {
    const UnreadFormat* unread = find_unread(path);
    if (unread != nullptr && is_file(path)) {
      fail_unsupported(path, fmt::format("{} files are for a later version", unread->what));
    }
    state->open_gguf();
  }
  state->index_tensors();
  Checkpoint checkpoint;
  checkpoint.state_ = std::move(state);
  return checkpoint;
}

const std::string& Checkpoint::path() const {
  return state_->path;
}

Format Checkpoint::format() const {
  return state_->format;
}

const std::vector<TensorView>& Checkpoint::tensors() const {
  return *state_->tensors;
}

const TensorView* Checkpoint::find(std::string_view name) const {
  const auto it = state_->by_name.find(name);
  return it == state_->by_name.end() ? nullptr : it->second;
}

std::uint64_t Checkpoint::bytes() const {
  std::uint64_t total = 0;
  for (const MappedFile& file : *state_->mappings) total += file.bytes().size();
  return total;
}

const Json& Checkpoint::config() const {
  return state_->config;
}

const Json& Checkpoint::generation_config() const {
  return state_->generation_config;
}

const Metadata& Checkpoint::metadata() const {
  return *state_->metadata;
}

const Bundle* Checkpoint::bundle() const {
  return state_->bundle ? &*state_->bundle : nullptr;
}

std::optional<std::string> Checkpoint::file(std::string_view name) const {
  if (state_->folder.empty() || !is_plain_file_name(name)) return std::nullopt;
  const fs::path path = fs::path(state_->folder) / name;
  return is_file(path) ? std::optional(path.string()) : std::nullopt;
}

void Checkpoint::release(const TensorView& tensor) const {
  const std::less_equal<const std::byte*> not_after;
  const ByteView range = tensor.data;
  for (const MappedFile& file : *state_->mappings) {
    const ByteView all = file.bytes();
    if (not_after(all.data(), range.data()) &&
        not_after(range.data() + range.size(), all.data() + all.size())) {
      return file.release(range);
    }
  }
}

}  // namespace halfbyte
