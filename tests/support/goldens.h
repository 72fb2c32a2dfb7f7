// The golden models of tests/data/models, and what the reference library computed from them.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstring>
#include <string>
#include <string_view>
#include <vector>

#include "formats/safetensors.h"
#include "support/files.h"

namespace halfbyte::test {

inline std::string model_path(std::string_view name) {
  return fmt::format("{}/models/{}", HALFBYTE_TEST_DATA, name);
}

inline std::vector<std::string> decoder_models() {
  return {"llama", "llama-tied", "llama3-rope", "qwen3", "gemma3", "gpt2", "mixtral", "qwen3moe"};
}
inline std::vector<std::string> all_models() {
  std::vector<std::string> names = decoder_models();
  for (const char* name : {"bert", "t5", "t5-gated"}) names.emplace_back(name);
  return names;
}

// A configuration over the weights of another model (see tools/make_model_goldens.py).
struct Variant {
  const char* name;
  const char* weights;
};
inline void PrintTo(const Variant& variant, std::ostream* out) {
  *out << variant.name;
}

constexpr Variant kVariants[] = {
    {"llama-old", "llama"},
    {"llama-linear", "llama"},
    {"llama-linear-old", "llama"},
    {"llama-dynamic", "llama"},
    {"llama-dynamic-old", "llama"},
    {"llama-yarn", "llama"},
    {"llama-yarn-old", "llama"},
    {"llama-yarn-mscale", "llama"},
    {"llama-llama3-old", "llama"},
    {"llama-partial", "llama"},
    {"mistral-window", "llama"},
    {"mistral-old", "llama"},
    {"qwen2-plain", "variants/qwen2"},
    {"qwen2-default", "variants/qwen2"},
    {"qwen2-window", "variants/qwen2"},
    {"qwen2-types", "variants/qwen2"},
    {"qwen2-yarn-old", "variants/qwen2"},
    {"mixtral-old", "mixtral"},
    {"qwen3moe-old", "qwen3moe"},
    {"gemma3-old", "gemma3"},
    {"gemma3-partial", "gemma3"},
    {"gemma3-softcap", "gemma3"},
};

inline std::string variant_path(const Variant& variant, std::string_view file) {
  return model_path(fmt::format("variants/{}/{}", variant.name, file));
}
// Puts the model's folder together; gives its path.
inline std::string assemble(const Variant& variant, const TemporaryFolder& folder) {
  const std::string path = folder / variant.name;
  fs::create_directory(path);
  fs::copy_file(variant_path(variant, "config.json"), path + "/config.json");
  fs::copy_file(model_path(variant.weights) + "/model.safetensors", path + "/model.safetensors");
  return path;
}

// Tensors of a golden.safetensors, or of what the program wrote.
class TensorFile {
 public:
  explicit TensorFile(const std::string& path) : file_(SafetensorsFile::open(path)) {}

  bool has(std::string_view name) const { return find(name) != nullptr; }
  Shape shape(std::string_view name) const { return need(name).shape; }
  std::vector<float> floats(std::string_view name) const { return copy<float>(name, DType::f32); }
  std::vector<std::int64_t> ints(std::string_view name) const {
    return copy<std::int64_t>(name, DType::i64);
  }
  // Row `row` of a [rows, columns] tensor of integers.
  template <typename T = std::int32_t>
  std::vector<T> row(std::string_view name, std::size_t row) const {
    const std::vector<std::int64_t> all = ints(name);
    const auto columns = static_cast<std::ptrdiff_t>(shape(name)[1]);
    const auto begin = all.begin() + static_cast<std::ptrdiff_t>(row) * columns;
    std::vector<T> values;
    std::transform(begin, begin + columns, std::back_inserter(values),
                   [](std::int64_t x) { return static_cast<T>(x); });
    return values;
  }

 private:
  const TensorView* find(std::string_view name) const {
    for (const TensorView& tensor : file_.tensors()) {
      if (tensor.name == name) return &tensor;
    }
    return nullptr;
  }
  const TensorView& need(std::string_view name) const {
    const TensorView* tensor = find(name);
    if (tensor == nullptr) throw std::runtime_error(fmt::format("no tensor {}", name));
    return *tensor;
  }
  template <typename T>
  std::vector<T> copy(std::string_view name, DType dtype) const {
    const TensorView& tensor = need(name);
    EXPECT_EQ(tensor.dtype, dtype) << name;
    std::vector<T> values(tensor.data.size() / sizeof(T));
    std::memcpy(values.data(), tensor.data.data(), tensor.data.size());
    return values;
  }

  SafetensorsFile file_;
};

// The output that a golden model has: "logits", "hidden" or "dec_logits".
inline std::string_view output_name(const TensorFile& golden) {
  for (const std::string_view name : {"logits", "hidden", "dec_logits"}) {
    if (golden.has(name)) return name;
  }
  throw std::runtime_error("a golden without an output");
}

// The largest difference, in standard deviations of the reference. `mask`, if not empty, has one
// entry for `width` values: 0 leaves them out.
inline double error_in_deviations(const std::vector<float>& expected,
                                  const std::vector<float>& actual,
                                  const std::vector<std::int64_t>& mask = {},
                                  std::size_t width = 1) {
  EXPECT_EQ(expected.size(), actual.size());
  double sum = 0.0;
  double squares = 0.0;
  double worst = 0.0;
  double count = 0.0;
  for (std::size_t i = 0; i < std::min(expected.size(), actual.size()); ++i) {
    if (!mask.empty() && mask[i / width] == 0) continue;
    const double x = expected[i];
    sum += x;
    squares += x * x;
    count += 1.0;
    const double difference = std::abs(x - actual[i]);
    worst = std::isnan(difference) ? INFINITY : std::max(worst, difference);
  }
  const double mean = sum / count;
  return worst / std::sqrt(squares / count - mean * mean);
}

constexpr double kGoldenBound = 2e-4;

}  // namespace halfbyte::test
