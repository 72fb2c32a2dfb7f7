// What the tests of formats/ share: a folder that goes away, files built byte by byte, and the
// outcome of reading something hostile.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/bytes.h"
#include "base/error.h"

namespace halfbyte::test {

std::string data_path(std::string_view name);  // in tests/data/formats/

class TemporaryFolder {
 public:
  TemporaryFolder();
  ~TemporaryFolder();
  TemporaryFolder(const TemporaryFolder&) = delete;
  TemporaryFolder& operator=(const TemporaryFolder&) = delete;
  const std::string& path() const { return path_; }
  std::string operator/(std::string_view name) const;
  std::string put(std::string_view name, std::string_view content) const;  // gives its path

 private:
  std::string path_;
};

std::string read_file(const std::string& path);

// Little-endian bytes, appended.
class Bytes {
 public:
  template <typename T>
  requires std::is_arithmetic_v<T> Bytes& add(T value) {
    text_.append(reinterpret_cast<const char*>(&value), sizeof(T));
    return *this;
  }
  Bytes& raw(std::string_view text);
  Bytes& string(std::string_view text);  // u64 length, bytes
  Bytes& pad(std::size_t alignment);
  const std::string& text() const { return text_; }

 private:
  std::string text_;
};

// A GGUF image from parts that may lie.
struct GgufParts {
  struct Tensor {
    std::string name;
    std::vector<std::uint64_t> dims;  // innermost first
    std::uint32_t type;
    std::uint64_t offset;
  };
  std::uint32_t version = 3;
  std::optional<std::uint64_t> pair_count;  // where it is not the true one
  std::optional<std::uint64_t> tensor_count;
  std::vector<std::string> pairs;  // encoded
  std::vector<Tensor> tensors;
  std::string data;

  std::string image() const;
};
std::string u32_pair(std::string_view key, std::uint32_t value);

// A safetensors image: header length (the true one unless given), header, data.
std::string safetensors_image(std::string_view header, std::string_view data,
                              std::optional<std::uint64_t> length = std::nullopt);

// The Error that `work` throws; nullopt if it throws none. Fails the test if its line is not one
// line, or if more was allocated than `file_bytes` + 64 MiB.
std::optional<Error> error_of(const std::function<void()>& work, std::uint64_t file_bytes = 0);
// As text: "ok", "malformed", "unsupported", "failed", ...
std::string outcome_of(const std::function<void()>& work, std::uint64_t file_bytes = 0);

}  // namespace halfbyte::test
