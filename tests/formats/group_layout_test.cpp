// Layouts of quantized folders: against modules packed by others (data:
// tools/make_quantized_goldens.py), there and back, and what hostile modules do.
#include "formats/group_layout.h"

#include <cstring>
#include <map>
#include <random>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/error.h"
#include "formats/group_config.h"
#include "formats/safetensors.h"

namespace halfbyte {
namespace {

using Module = std::map<std::string, TensorView>;

GroupMatrix read(const GroupScheme& scheme, const Module& module) {
  const auto find = [&](std::string_view suffix) {
    const auto found = module.find(std::string(suffix));
    return found == module.end() ? nullptr : &found->second;
  };
  return read_group_module(scheme, find, "file", "m");
}

struct Golden {
  std::string file;
  std::string layout;
  unsigned bits;
  unsigned zero_offset;
};
constexpr std::size_t kGroup = 32;

class GoldenModule : public ::testing::TestWithParam<Golden> {};

template <typename T>
std::vector<T> values_of(const TensorView& view) {
  std::vector<T> values(view.data.size() / sizeof(T));
  std::memcpy(values.data(), view.data.data(), view.data.size());
  return values;
}

TEST_P(GoldenModule, IsReadAndWrittenBitForBit) {
  const Golden& golden = GetParam();
  const std::string path = HALFBYTE_TEST_DATA "/quantized/" + golden.file + ".safetensors";
  const auto file = SafetensorsFile::open(path);
  Module module;
  std::map<std::string, TensorView> expected;
  for (const TensorView& view : file.tensors()) {
    if (view.name.starts_with("m.")) {
      module[view.name.substr(1)] = view;
    } else {
      expected[view.name] = view;
    }
  }
  const GroupLayout* layout = find_group_layout(golden.layout);
  const GroupMatrix matrix = read({layout, golden.bits, kGroup, golden.zero_offset}, module);
  EXPECT_EQ(matrix.codes, values_of<std::uint8_t>(expected["codes"]));
  EXPECT_EQ(matrix.zeros, values_of<std::uint8_t>(expected["zeros"]));
  EXPECT_EQ(matrix.scales, values_of<std::uint16_t>(expected["scale_values"]));

  const bool symmetric = golden.file.find("_sym") != std::string::npos;
  const auto tensors = tensors_of(*layout, matrix.dims, symmetric);
  EXPECT_EQ(tensors.size(), module.size());
  for (const auto& [tensor, dtype, shape] : tensors) {
    const TensorView& view = module[std::string(tensor->suffix)];
    EXPECT_EQ(view.dtype, dtype) << tensor->suffix;
    EXPECT_EQ(view.shape, shape) << tensor->suffix;
    EXPECT_THAT(write_group_tensor(*layout, *tensor, matrix, golden.zero_offset),
                ::testing::ElementsAreArray(view.data))
        << tensor->suffix;
  }
}

INSTANTIATE_TEST_SUITE_P(
    Layouts, GoldenModule,
    ::testing::Values(Golden{"awq-4", "awq", 4, 0}, Golden{"gptq-2", "gptq", 2, 1},
                      Golden{"gptq-3", "gptq", 3, 1}, Golden{"gptq-4", "gptq", 4, 1},
                      Golden{"gptq-8", "gptq", 8, 1}, Golden{"gptq_v2-4", "gptq", 4, 0},
                      Golden{"compressed-4", "compressed-tensors", 0, 0},
                      Golden{"compressed-8", "compressed-tensors", 0, 0},
                      Golden{"compressed_sym-4", "compressed-tensors", 0, 0},
                      Golden{"compressed_sym-8", "compressed-tensors", 0, 0}),
    [](const auto& test) {
      std::string name = test.param.file;
      for (char& c : name) c = c == '-' ? '_' : c;
      return name;
    });

// Random codes, as the layout stores them.
struct StoredModule {
  std::map<std::string, std::vector<std::byte>> bytes;
  Module views;

  StoredModule(const GroupLayout& layout, const GroupMatrix& matrix) {
    for (const auto& [tensor, dtype, shape] : tensors_of(layout, matrix.dims, false)) {
      const std::string suffix(tensor->suffix);
      bytes[suffix] = write_group_tensor(layout, *tensor, matrix, 0);
      views[suffix] = {"m" + suffix, dtype, shape, bytes[suffix]};
    }
  }
};

GroupMatrix random_matrix(const GroupDims& dims) {
  GroupMatrix matrix(dims);
  std::minstd_rand random(1);
  const auto code = [&] {
    return static_cast<std::uint8_t>(random() >> 8 & (dims.middle() * 2 - 1));
  };
  for (auto& value : matrix.codes) value = code();
  for (auto& value : matrix.zeros) value = code();
  for (auto& value : matrix.scales) value = static_cast<std::uint16_t>(0x2000 + random() % 0x800);
  return matrix;
}

TEST(GroupLayout, LongGroupsRepeatTheirScales) {
  const GroupLayout& layout = *find_group_layout("gptq");
  const GroupMatrix matrix = random_matrix({4, 8, 192, 192});
  const StoredModule stored(layout, matrix);
  const GroupMatrix back = read({&layout, 4, std::uint64_t{1} << 62, 0}, stored.views);
  const GroupType* const type = type_of_groups(back.dims);
  ASSERT_NE(type, nullptr);
  EXPECT_EQ(type->dtype, DType::w4g64);
  const std::vector<std::byte> rows = close_groups(back, *type);
  const GroupMatrix opened = open_groups(*type, {type->bits, 8, 192, type->group}, rows.data());
  EXPECT_EQ(opened.codes, matrix.codes);
  for (std::size_t g = 0; g < opened.scales.size(); ++g) {
    EXPECT_EQ(opened.scales[g], matrix.scales[g / 3]);
    EXPECT_EQ(opened.zeros[g], matrix.zeros[g / 3]);
  }
}

// The way back: blocks of one group that share its scale.
TEST(GroupLayout, LongGroupsAreOpenedWhole) {
  const GroupMatrix matrix = random_matrix({4, 8, 384, 192});
  const GroupType& type = *type_of_groups(matrix.dims);
  const GroupMatrix back = open_groups(type, matrix.dims, close_groups(matrix, type).data());
  EXPECT_EQ(back.codes, matrix.codes);
  EXPECT_EQ(back.scales, matrix.scales);
  EXPECT_EQ(back.zeros, matrix.zeros);
}

ErrorCode code_of(const GroupScheme& scheme, const Module& module) {
  try {
    read(scheme, module);
  } catch (const Error& error) {
    return error.code();
  }
  ADD_FAILURE() << "was read";
  return ErrorCode::kFailed;
}

TEST(GroupLayout, HostileModulesAreRefused) {
  for (const GroupLayout& layout : all_group_layouts()) {
    const GroupMatrix matrix = random_matrix({4, 32, 64, 32});
    const bool by_shape = layout.name == "compressed-tensors";
    const GroupScheme scheme = {&layout, by_shape ? 0u : 4u, 0, 0};
    const StoredModule stored(layout, matrix);
    ASSERT_EQ(read(scheme, stored.views).codes, matrix.codes) << layout.name;
    for (const GroupTensor& tensor : layout.tensors) {
      const std::string suffix(tensor.suffix);
      Module module = stored.views;
      if (!tensor.optional) {
        module.erase(suffix);
        EXPECT_EQ(code_of(scheme, module), ErrorCode::kMalformed) << layout.name << suffix;
      }
      // A wrong shape claims what the other tensors do not; the data has its bytes all the same.
      const std::vector<std::byte> zeros(1 << 16);
      for (const Shape& shape : {Shape{}, Shape{7}, Shape{0, 8}, Shape{3, 5}, Shape{64, 1, 1}}) {
        const TensorView& good = stored.views.at(suffix);
        module[suffix] = {good.name, good.dtype, shape,
                          ByteView(zeros).first(tensor_bytes(good.dtype, shape).value())};
        EXPECT_EQ(code_of(scheme, module), ErrorCode::kMalformed) << layout.name << suffix;
      }
      module = stored.views;
      module[suffix].dtype = DType::u8;
      EXPECT_EQ(code_of(scheme, module), ErrorCode::kMalformed) << layout.name << suffix;
    }
    EXPECT_EQ(code_of({&layout, scheme.bits, 16, 0}, stored.views), ErrorCode::kMalformed);
  }
}

TEST(GroupLayout, PermutedInputsAreUnsupported) {
  const GroupLayout& layout = *find_group_layout("gptq");
  StoredModule stored(layout, random_matrix({4, 32, 64, 32}));
  stored.bytes[".g_idx"][0] = std::byte{1};
  EXPECT_EQ(code_of({&layout, 4, 32, 0}, stored.views), ErrorCode::kUnsupported);
}

TEST(GroupConfig, WhatIsWrittenIsRead) {
  for (const GroupLayout& layout : all_group_layouts()) {
    for (const ScaleRules rules : {ScaleRules{}, ScaleRules{.symmetric = true},
                                   ScaleRules{.by_row = true, .positive_zeros = true}}) {
      const Json config = {{"quantization_config", write_group_config(layout, {4, 64, rules})}};
      const auto scheme = read_group_config(config, "config.json");
      ASSERT_TRUE(scheme);
      EXPECT_EQ(scheme->layout, &layout);
      EXPECT_EQ(scheme->zero_offset, written_zero_offset(layout, rules));
    }
  }
  EXPECT_FALSE(read_group_config(Json::object(), "config.json"));
}

TEST(GroupConfig, OthersAreRefusedByName) {
  const auto outcome = [](const Json& quantization) -> std::string {
    try {
      read_group_config({{"quantization_config", quantization}}, "config.json");
    } catch (const Error& error) {
      return std::string(error_code_name(error.code())) + " " + error.what();
    }
    return "read";
  };
  using ::testing::HasSubstr;
  EXPECT_THAT(outcome({{"quant_method", "fp8"}}), HasSubstr("'fp8'"));
  EXPECT_THAT(outcome(3), HasSubstr("malformed"));
  EXPECT_THAT(outcome({{"quant_method", "gptq"}, {"bits", 5}}), HasSubstr("unsupported"));
  EXPECT_THAT(outcome({{"quant_method", "gptq"}, {"bits", "4"}}), HasSubstr("malformed"));
  EXPECT_THAT(outcome({{"quant_method", "awq"}, {"bits", 4}, {"group_size", 0}}),
              HasSubstr("malformed"));
  EXPECT_THAT(outcome({{"quant_method", "awq"}, {"bits", 4}, {"version", "gemv"}}),
              HasSubstr("unsupported"));
  EXPECT_THAT(outcome({{"quant_method", "compressed-tensors"}, {"format", "int-quantized"}}),
              HasSubstr("unsupported"));
}

}  // namespace
}  // namespace halfbyte
