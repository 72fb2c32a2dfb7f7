#include "support.h"

#include <algorithm>
#include <atomic>
#include <filesystem>
#include <fstream>
#include <sstream>

#include <fmt/format.h>
#include <unistd.h>

#include "kernels/packed.h"

namespace halfbyte::test {

namespace fs = std::filesystem;

TemporaryFolder::TemporaryFolder() {
  static std::atomic<int> counter = 0;
  path_ = (fs::temp_directory_path() /
           fmt::format("halfbyte-compress-{}-{}", ::getpid(), counter.fetch_add(1)))
              .string();
  fs::create_directory(path_);
}

TemporaryFolder::~TemporaryFolder() {
  std::error_code ignored;
  fs::remove_all(path_, ignored);
}

std::string TemporaryFolder::operator/(std::string_view name) const {
  return (fs::path(path_) / name).string();
}

std::vector<std::string> TemporaryFolder::names() const {
  std::vector<std::string> names;
  for (const auto& entry : fs::directory_iterator(path_)) {
    names.push_back(entry.path().filename().string());
  }
  std::sort(names.begin(), names.end());
  return names;
}

std::string golden_model(std::string_view name) {
  return fmt::format("{}/models/{}", HALFBYTE_TEST_DATA, name);
}

std::vector<std::string> golden_models() {
  return {"llama", "llama-tied", "llama3-rope", "qwen3",   "gemma3",
          "gpt2",  "bert",       "t5",          "t5-gated"};
}

std::string read_file(const std::string& path) {
  std::ifstream in(path, std::ios::binary);
  std::ostringstream text;
  text << in.rdbuf();
  return text.str();
}

std::string all_bytes(const std::string& path) {
  if (!fs::is_directory(path)) return read_file(path);
  std::vector<std::string> files;
  for (const auto& entry : fs::directory_iterator(path)) files.push_back(entry.path().string());
  std::sort(files.begin(), files.end());
  std::string all;
  for (const std::string& file : files) {
    all += fs::path(file).filename().string() + "\n" + read_file(file);
  }
  return all;
}

std::vector<std::byte> rows_of(const ModelTensor& tensor) {
  if (tensor.layout == "rows") return {tensor.data.begin(), tensor.data.end()};
  const PackedMatrix packed{tensor.dtype, tensor.shape[0], tensor.shape[1], tensor.data.data()};
  std::vector<std::byte> rows(tensor_bytes(tensor.dtype, tensor.shape).value());
  unpack_panels(packed, 0, packed.panels(), rows.data());
  return rows;
}

std::vector<float> values_of(const ModelTensor& tensor) {
  const std::vector<std::byte> rows = rows_of(tensor);
  const std::size_t n = element_count(tensor.shape).value();
  std::vector<float> values(n);
  info(tensor.dtype).decode(rows.data(), values.data(), n);
  if (!tensor.transposed) return values;
  const std::size_t outputs = tensor.shape[0];
  const std::size_t inputs = tensor.shape[1];
  std::vector<float> turned(n);
  for (std::size_t i = 0; i < inputs; ++i) {
    for (std::size_t o = 0; o < outputs; ++o) turned[o * inputs + i] = values[i * outputs + o];
  }
  return turned;
}

}  // namespace halfbyte::test
