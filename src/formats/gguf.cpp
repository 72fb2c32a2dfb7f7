// GgufFile: one file, or the parts of a split, mapped.
//
// Part i of n of PREFIX is named PREFIX-0000i-of-0000n.gguf (i from 1, five digits each) and says
// so in split.no (from 0) and split.count.
#include "formats/gguf.h"

#include <iterator>
#include <unordered_set>
#include <utility>

#include <fmt/format.h>

#include "formats/checks.h"

namespace halfbyte {

struct GgufFile::State {
  std::string path;
  GgufImage first;
  std::vector<TensorView> tensors;
  std::vector<MappedFile> mappings;
};

namespace {

// Path of part `index` (from 0), given the path of the first.
std::string part_path(const std::string& first, std::uint64_t index, std::uint64_t count) {
  const std::string ending = fmt::format("-{:05}-of-{:05}.gguf", 1, count);
  if (!first.ends_with(ending)) {
    fail_malformed(
        first, fmt::format("first of {} parts, but its name does not end in {}", count, ending));
  }
  return fmt::format("{}-{:05}-of-{:05}.gguf", first.substr(0, first.size() - ending.size()),
                     index + 1, count);
}

void check_part(const GgufImage& part, const std::string& path, std::uint64_t index,
                std::uint64_t count) {
  const auto number = part.metadata.get_uint("split.no");
  const auto parts = part.metadata.get_uint("split.count");
  if (number != index || parts != count) {
    fail_malformed(path, fmt::format("is not part {} of {} by its metadata", index + 1, count));
  }
}

void append(std::vector<TensorView>& all, std::vector<TensorView>&& more) {
  all.insert(all.end(), std::make_move_iterator(more.begin()), std::make_move_iterator(more.end()));
}

void refuse_duplicates(const std::vector<TensorView>& tensors, const std::string& path) {
  std::unordered_set<std::string_view> seen;
  for (const TensorView& tensor : tensors) {
    if (!seen.insert(tensor.name).second) {
      fail_malformed(path, fmt::format("tensor {} is in two parts", in_quotes(tensor.name)));
    }
  }
}

void check_total(const Metadata& metadata, std::size_t found) {
  const auto total = metadata.get_uint("split.tensors.count");
  if (total && *total != found) {
    fail_malformed(metadata.file,
                   fmt::format("all parts hold {} tensors, should be {}", found, *total));
  }
}

}  // namespace

GgufFile::GgufFile(const std::string& path) {
  auto state = std::make_shared<State>();
  state->path = path;
  state->mappings.emplace_back(path);
  state->first = parse_gguf(state->mappings.front().bytes(), path);
  const Metadata& metadata = state->first.metadata;
  const std::uint64_t count = metadata.get_uint("split.count").value_or(1);
  state->tensors = std::move(state->first.tensors);
  if (count > 1) {
    const std::uint64_t number = metadata.get_uint("split.no").value_or(0);
    if (number != 0) {
      fail_usage(fmt::format("{} is part {} of {}; name the first part", path, number + 1, count));
    }
    for (std::uint64_t i = 1; i < count; ++i) {
      const std::string name = part_path(path, i, count);
      state->mappings.emplace_back(name);
      GgufImage part = parse_gguf(state->mappings.back().bytes(), name);
      check_part(part, name, i, count);
      append(state->tensors, std::move(part.tensors));
    }
    refuse_duplicates(state->tensors, path);
    check_total(metadata, state->tensors.size());
  }
  state_ = std::move(state);
}

const std::string& GgufFile::path() const {
  return state_->path;
}

std::uint32_t GgufFile::version() const {
  return state_->first.version;
}

const Metadata& GgufFile::metadata() const {
  return state_->first.metadata;
}

const std::vector<TensorView>& GgufFile::tensors() const {
  return state_->tensors;
}

const std::vector<MappedFile>& GgufFile::mappings() const {
  return state_->mappings;
}

}  // namespace halfbyte
