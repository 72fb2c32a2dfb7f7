// SafetensorsFile: one file, or the shards that an index names, mapped.
#include "formats/safetensors.h"

#include <filesystem>
#include <iterator>
#include <unordered_map>
#include <utility>

#include <fmt/format.h>

#include "formats/checks.h"
#include "formats/json_cursor.h"

namespace halfbyte {

struct SafetensorsFile::State {
  std::vector<TensorView> tensors;
  std::map<std::string, std::string> metadata;
  std::vector<MappedFile> mappings;
};

namespace {

constexpr std::uint64_t kMaxIndexBytes = std::uint64_t{100} << 20;
constexpr std::uint64_t kMaxNameBytes = 4096;
// Of all shards; the largest published mixtures have under 200,000.
constexpr std::size_t kMaxIndexed = std::size_t{1} << 18;

// What the index says: the shards in the order of their names, and the shard of each tensor.
struct ShardIndex {
  std::map<std::string, std::uint32_t> shards;  // name -> number in order of appearance
  std::unordered_map<std::string, std::uint32_t> tensors;
};

void read_weight_map(JsonCursor& json, ShardIndex& index) {
  json.expect('{');
  if (json.accept('}')) return;
  do {
    std::string tensor = json.string(kMaxNameBytes);
    json.expect(':');
    const std::string shard = json.string(kMaxNameBytes);
    if (!is_plain_file_name(shard)) {
      json.fail(fmt::format("shard {} is no plain file name", in_quotes(shard)));
    }
    if (index.tensors.size() >= kMaxIndexed) json.fail("too many tensors in the index");
    const auto number = static_cast<std::uint32_t>(index.shards.size());
    const auto [it, is_new] = index.shards.try_emplace(shard, number);
    if (!index.tensors.emplace(std::move(tensor), it->second).second) {
      json.fail("a tensor occurs twice in the index");
    }
  } while (json.next_element('}'));
}

ShardIndex read_index(const std::string& path) {
  const MappedFile file(path);
  if (file.bytes().size() > kMaxIndexBytes) fail_malformed(path, "index of more than 100 MiB");
  JsonCursor json(as_text(file.bytes()), path);
  ShardIndex index;
  bool found = false;
  json.expect('{');
  do {
    const std::string key = json.string(kMaxNameBytes);
    json.expect(':');
    if (key != "weight_map") {
      json.skip_value();
    } else if (std::exchange(found, true)) {
      json.fail("two weight_map fields");
    } else {
      read_weight_map(json, index);
    }
  } while (json.next_element('}'));
  json.expect_end();
  if (index.tensors.empty()) fail_malformed(path, "the index has no weight_map with tensors");
  return index;
}

// Every tensor of the shard must be one that the index places there.
void check_shard(const ShardIndex& index, const std::vector<TensorView>& tensors,
                 std::uint32_t number, const std::string& path) {
  for (const TensorView& tensor : tensors) {
    const auto it = index.tensors.find(tensor.name);
    if (it == index.tensors.end() || it->second != number) {
      fail_malformed(path, fmt::format("holds tensor {}, which the index does not place here",
                                       in_quotes(tensor.name)));
    }
  }
}

}  // namespace

SafetensorsFile SafetensorsFile::open(const std::string& path) {
  auto state = std::make_shared<State>();
  state->mappings.emplace_back(path);
  SafetensorsImage image = parse_safetensors(state->mappings.front().bytes(), path);
  state->tensors = std::move(image.tensors);
  state->metadata = std::move(image.metadata);
  SafetensorsFile file;
  file.state_ = std::move(state);
  return file;
}

SafetensorsFile SafetensorsFile::open_index(const std::string& index_path) {
  const ShardIndex index = read_index(index_path);
  auto state = std::make_shared<State>();
  for (const auto& [name, number] : index.shards) {
    const std::string path = (std::filesystem::path(index_path).parent_path() / name).string();
    state->mappings.emplace_back(path);
    SafetensorsImage image = parse_safetensors(state->mappings.back().bytes(), path);
    check_shard(index, image.tensors, number, path);
    state->tensors.insert(state->tensors.end(), std::make_move_iterator(image.tensors.begin()),
                          std::make_move_iterator(image.tensors.end()));
    if (state->metadata.empty()) state->metadata = std::move(image.metadata);
  }
  // No shard holds a tensor twice, so equal numbers mean that none is missing.
  if (state->tensors.size() != index.tensors.size()) {
    fail_malformed(index_path, fmt::format("names {} tensors, its shards hold {}",
                                           index.tensors.size(), state->tensors.size()));
  }
  SafetensorsFile file;
  file.state_ = std::move(state);
  return file;
}

const std::vector<TensorView>& SafetensorsFile::tensors() const {
  return state_->tensors;
}

const std::map<std::string, std::string>& SafetensorsFile::metadata() const {
  return state_->metadata;
}

const std::vector<MappedFile>& SafetensorsFile::mappings() const {
  return state_->mappings;
}

}  // namespace halfbyte
