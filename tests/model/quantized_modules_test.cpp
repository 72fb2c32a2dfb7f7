// Modules of quantized folders whose rows or groups fit no type: floats with the same values.
#include "model/quantized_modules.h"

#include <cstring>
#include <filesystem>
#include <random>
#include <span>

#include <gtest/gtest.h>

#include "base/atomic_output.h"
#include "base/half.h"
#include "formats/group_config.h"
#include "formats/int_quantized.h"
#include "formats/safetensors.h"

namespace halfbyte {
namespace {

namespace fs = std::filesystem;

struct Stored {
  SafetensorsWriter::Tensor tensor;
  std::vector<std::byte> bytes;
};

// A folder that holds these and nothing else; the test's own, and new.
Checkpoint folder_of(const std::vector<Stored>& stored) {
  const std::string name = ::testing::UnitTest::GetInstance()->current_test_info()->name();
  const fs::path folder = fs::path(::testing::TempDir()) / ("halfbyte-modules-" + name);
  fs::remove_all(folder);
  fs::create_directories(folder);
  OutputFile config((folder / "config.json").string());
  config.write(std::string_view("{}"));
  config.close();
  OutputFile file((folder / "model.safetensors").string());
  std::vector<SafetensorsWriter::Tensor> tensors;
  tensors.reserve(stored.size());
  for (const Stored& one : stored) tensors.push_back(one.tensor);
  SafetensorsWriter writer(file, tensors);
  for (const Stored& one : stored) writer.write(one.bytes);
  writer.finish();
  file.close();
  return Checkpoint::open(folder.string());
}

std::vector<float> floats_of(const QuantizedModule& module) {
  std::vector<float> values(module.rows.size() / sizeof(float));
  std::memcpy(values.data(), module.rows.data(), module.rows.size());
  return values;
}

struct Case {
  std::string layout;
  GroupDims dims;
};

class OddModule : public ::testing::TestWithParam<Case> {};

TEST_P(OddModule, BecomesFloatsWithTheSameValues) {
  const GroupLayout& layout = *find_group_layout(GetParam().layout);
  GroupMatrix matrix(GetParam().dims);
  const unsigned codes = 1u << matrix.dims.bits;
  std::minstd_rand random(1);
  for (auto& code : matrix.codes) code = static_cast<std::uint8_t>((random() >> 8) % codes);
  for (auto& zero : matrix.zeros) zero = static_cast<std::uint8_t>((random() >> 8) % codes);
  for (auto& scale : matrix.scales) scale = static_cast<std::uint16_t>(0x2000 + random() % 0x800);
  std::vector<Stored> stored;
  for (const auto& [tensor, dtype, shape] : tensors_of(layout, matrix.dims, false)) {
    stored.push_back({{"m" + std::string(tensor->suffix), dtype, shape},
                      write_group_tensor(layout, *tensor, matrix, 0)});
  }
  const bool by_shape = layout.name == "compressed-tensors";
  const GroupScheme scheme = {.layout = &layout, .bits = by_shape ? 0 : matrix.dims.bits};
  const SplitTensors split = split_modules(folder_of(stored), scheme);
  ASSERT_EQ(split.modules.size(), 1u);
  const QuantizedModule& module = split.modules[0];
  EXPECT_EQ(module.name, "m.weight");
  EXPECT_EQ(module.dtype, DType::f32);
  EXPECT_EQ(module.shape, (Shape{matrix.dims.n, matrix.dims.k}));
  const std::vector<float> values = floats_of(module);
  ASSERT_EQ(values.size(), matrix.codes.size());
  for (std::size_t i = 0; i < values.size(); ++i) {
    const std::size_t g = i / matrix.dims.group;
    const int level = matrix.codes[i] - matrix.zeros[g];
    ASSERT_EQ(values[i], half_to_float(matrix.scales[g]) * static_cast<float>(level)) << i;
  }
}

INSTANTIATE_TEST_SUITE_P(Layouts, OddModule,
                         ::testing::Values(Case{"gptq", {4, 8, 48, 48}},
                                           Case{"gptq", {2, 16, 64, 16}},
                                           Case{"awq", {4, 8, 50, 50}},
                                           // the last word of a row is not full
                                           Case{"compressed-tensors", {4, 8, 36, 36}},
                                           Case{"compressed-tensors", {8, 4, 41, 41}}),
                         [](const auto& test) {
                           const Case& odd = test.param;
                           return odd.layout.substr(0, 4) + std::to_string(odd.dims.bits) + "_" +
                                  std::to_string(odd.dims.k);
                         });

TEST(OddInt8Module, BecomesFloatsWithTheSameValues) {
  const std::vector<float> scales = {0.5f, 0.25f};
  const auto scale_bytes = std::as_bytes(std::span(scales));
  std::vector<std::byte> codes(2 * 33);
  for (std::size_t i = 0; i < codes.size(); ++i) codes[i] = std::byte(i * 29 % 256);
  const Checkpoint folder = folder_of(
      {{{"m.weight", DType::i8, {2, 33}}, codes},
       {{"m.weight_scale", DType::f32, {2, 1}}, {scale_bytes.begin(), scale_bytes.end()}}});
  const GroupScheme scheme = {.layout = find_group_layout("compressed-tensors"),
                              .int_quantized = true};
  const SplitTensors split = split_modules(folder, scheme);
  ASSERT_EQ(split.modules.size(), 1u);
  EXPECT_EQ(split.modules[0].dtype, DType::f32);
  const std::vector<float> values = floats_of(split.modules[0]);
  ASSERT_EQ(values.size(), codes.size());
  for (std::size_t i = 0; i < values.size(); ++i) {
    EXPECT_EQ(values[i], scales[i / 33] * static_cast<float>(static_cast<std::int8_t>(codes[i])));
  }
}

}  // namespace
}  // namespace halfbyte
