#include "support.h"

#include <algorithm>
#include <atomic>
#include <filesystem>
#include <fstream>
#include <sstream>

#include <fmt/format.h>
#include <gtest/gtest.h>
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
  return {"llama", "llama-tied", "llama3-rope", "qwen3",   "gemma3",  "gpt2",
          "bert",  "t5",         "t5-gated",    "mixtral", "qwen3moe"};
}

std::vector<Sample> random_samples(const ModelSpec& spec) {
  std::vector<Sample> samples;
  std::uint32_t state = 1;
  for (std::size_t i = 0; i < 3; ++i) {
    for (TokenId& token : samples.emplace_back(12 + 3 * i)) {
      state = state * 1664525u + 1013904223u;
      token = static_cast<TokenId>((state >> 8) % spec.vocab);
    }
  }
  return samples;
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

std::string message(ErrorCode code, const std::function<void()>& work) {
  try {
    work();
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), code) << error.what();
    return error.what();
  }
  ADD_FAILURE() << "nothing failed";
  return "";
}

void set_weight(const std::string& path, std::string_view tensor, std::uint64_t row,
                std::uint64_t column, float value) {
  const ModelFiles model(path);
  const ModelTensor& found = model.need(tensor);
  ASSERT_EQ(found.dtype, DType::f32);
  const std::string file = path + "/model.safetensors";
  const std::string bytes = read_file(file);
  const std::size_t whole = found.data.size();
  const auto begin = bytes.find({reinterpret_cast<const char*>(found.data.data()), whole});
  ASSERT_NE(begin, std::string::npos);
  const std::uint64_t stride = found.shape.size() < 2 ? 0 : found.shape[found.transposed ? 0 : 1];
  const std::uint64_t at = found.transposed ? column * stride + row : row * stride + column;
  std::fstream out(file, std::ios::in | std::ios::out | std::ios::binary);
  out.seekp(static_cast<std::streamoff>(begin + 4 * at));
  out.write(reinterpret_cast<const char*>(&value), sizeof(value));
}

void copy_with_weight(std::string_view model, const std::string& path, std::string_view tensor,
                      std::uint64_t row, std::uint64_t column, float value) {
  fs::copy(golden_model(model), path, fs::copy_options::recursive);
  set_weight(path, tensor, row, column, value);
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
