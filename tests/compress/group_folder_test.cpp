// Folders as AutoAWQ, GPTQ and compressed-tensors publish them: written, and read back as the same
// blocks.
#include <algorithm>
#include <cmath>
#include <filesystem>
#include <span>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/error.h"
#include "compress/compress.h"
#include "compress/convert.h"
#include "support.h"
#include "tensor/group_types.h"

namespace halfbyte {
namespace {

using test::golden_model;
using test::rows_of;
using test::TemporaryFolder;

struct Case {
  std::string target;
  std::string type;
};

class GroupFolder : public ::testing::TestWithParam<Case> {
 protected:
  TemporaryFolder folder_;
  ThreadPool pool_{2};
};

TEST_P(GroupFolder, HoldsTheSameBlocks) {
  const ModelFiles source(golden_model("gpt2"));  // rows of 64 and 256
  compress(source, nullptr, folder_ / "bundle", {.type = GetParam().type}, pool_);
  const ModelFiles bundle(folder_ / "bundle");
  convert(bundle, nullptr, folder_ / "out", {GetParam().target, "keep"}, pool_);
  const ModelFiles back(folder_ / "out");
  ASSERT_EQ(back.tensors().size(), bundle.tensors().size());
  std::size_t matrices = 0;
  for (const ModelTensor& tensor : bundle.tensors()) {
    if (name(tensor.dtype) != GetParam().type) continue;
    const ModelTensor& other = back.need(tensor.name);
    EXPECT_EQ(other.dtype, tensor.dtype) << tensor.name;
    EXPECT_EQ(other.shape, tensor.shape) << tensor.name;
    EXPECT_EQ(rows_of(other), rows_of(tensor)) << tensor.name;
    ++matrices;
  }
  EXPECT_GT(matrices, 0u);
  // A copy of the folder is the same, and plain weights have no trace of it.
  convert(back, nullptr, folder_ / "again", {GetParam().target, "keep"}, pool_);
  EXPECT_EQ(test::all_bytes(folder_ / "again"), test::all_bytes(folder_ / "out"));
  convert(back, nullptr, folder_ / "plain", {"safetensors", "f16"}, pool_);
  EXPECT_FALSE(Checkpoint::open(folder_ / "plain").config().contains("quantization_config"));
}

INSTANTIATE_TEST_SUITE_P(
    Targets, GroupFolder,
    ::testing::Values(Case{"awq", "w4g32"}, Case{"gptq", "w2g32"}, Case{"gptq", "w3g32"},
                      Case{"gptq", "w4g32"}, Case{"gptq", "w8g32"},
                      Case{"compressed-tensors", "w4g32"}, Case{"compressed-tensors", "w8g32"},
                      Case{"compressed-tensors", "w8a8"}),
    [](const auto& test) { return test.param.target.substr(0, 4) + "_" + test.param.type; });

// Zero points in the middle, by every method, through each format's own reader.
struct SymmetricCase {
  std::string target;
  std::string type;
  std::string method;
  bool text = true;
};

class Symmetric : public ::testing::TestWithParam<SymmetricCase> {
 protected:
  CompressOptions options(const ModelFiles& source, const std::string& to) const {
    CompressOptions options{
        .method = GetParam().method, .type = GetParam().type, .to = to, .symmetric = true};
    if (!GetParam().text) return options;
    options.calibration.emplace();
    for (TokenId i = 0; i < 3; ++i) {
      Sample& sample = options.calibration->samples.emplace_back();
      for (TokenId j = 0; j < 20; ++j) {
        sample.push_back((37 * i + 11 * j) % static_cast<TokenId>(source.spec().vocab));
      }
    }
    return options;
  }
  TemporaryFolder folder_;
  ThreadPool pool_{2};
};

void expect_middle(const ModelTensor& tensor) {
  const GroupType& type = *find_group_type(tensor.dtype);
  const std::vector<std::byte> rows = rows_of(tensor);
  std::vector<std::uint8_t> codes(type.group);
  for (std::size_t at = 0; at < rows.size(); at += info(tensor.dtype).block_bytes) {
    ASSERT_EQ(unpack_group(type, &rows[at], codes.data()).zero, 1u << (type.bits - 1))
        << tensor.name;
  }
}

bool says_symmetric(const Json& config) {
  const Json& quantization = config["quantization_config"];
  if (quantization.contains("sym")) return quantization["sym"].get<bool>();
  return quantization["config_groups"]["group_0"]["weights"]["symmetric"].get<bool>();
}

TEST_P(Symmetric, IsWrittenAndReadBack) {
  const ModelFiles source(golden_model("gpt2"));
  compress(source, nullptr, folder_ / "bundle", options(source, "bundle"), pool_);
  compress(source, nullptr, folder_ / "out", options(source, GetParam().target), pool_);
  const ModelFiles bundle(folder_ / "bundle");
  const ModelFiles back(folder_ / "out");
  EXPECT_TRUE(says_symmetric(Checkpoint::open(folder_ / "out").config()));
  std::size_t matrices = 0;
  for (const ModelTensor& tensor : back.tensors()) {
    if (find_group_type(tensor.dtype) == nullptr) continue;
    expect_middle(tensor);
    EXPECT_EQ(rows_of(tensor), rows_of(bundle.need(tensor.name))) << tensor.name;
    ++matrices;
  }
  EXPECT_GT(matrices, 0u);
}

INSTANTIATE_TEST_SUITE_P(
    Methods, Symmetric,
    ::testing::Values(SymmetricCase{"gptq", "w4g32", "rtn", false},
                      SymmetricCase{"gptq", "w3g64", "rtn"}, SymmetricCase{"gptq", "w2g32", "gptq"},
                      SymmetricCase{"gptq", "w4g32", "best"},
                      SymmetricCase{"gptq", "w8g32", "smooth,gptq"},
                      SymmetricCase{"compressed-tensors", "w4g32", "rtn", false},
                      SymmetricCase{"compressed-tensors", "w8g32", "awq"},
                      SymmetricCase{"compressed-tensors", "w4g64", "gptq"}),
    [](const auto& test) {
      std::string name = test.param.target.substr(0, 4) + "_" + test.param.type + "_" +
                         test.param.method + (test.param.text ? "_text" : "");
      std::replace(name.begin(), name.end(), ',', '_');
      return name;
    });

// Rounding to nearest alone is what the codec's own symmetric encoder gives.
TEST(SymmetricRtn, IsTheCodecs) {
  TemporaryFolder folder;
  ThreadPool pool(2);
  const ModelFiles source(golden_model("llama"));
  compress(source, nullptr, folder / "out", {.type = "w4g32", .symmetric = true}, pool);
  const ModelFiles back(folder / "out");
  const ModelTensor& tensor = back.need("blk.0.ffn_up.weight");
  const std::vector<float> values = test::values_of(source.need(tensor.name));
  std::vector<std::byte> expected(tensor_bytes(tensor.dtype, tensor.shape).value());
  encode_groups(*find_group_type(tensor.dtype), {.symmetric = true}, values.data(), expected.data(),
                values.size());
  EXPECT_EQ(rows_of(tensor), expected);
}

// One scale a row: by every method, through each format's own reader.
class ByRow : public Symmetric {};

void expect_one_scale(const ModelTensor& tensor) {
  const std::vector<std::byte> rows = rows_of(tensor);
  const std::size_t block = info(tensor.dtype).block_bytes;
  const std::size_t bytes = row_bytes(tensor.dtype, tensor.shape[1]).value();
  for (std::size_t at = 0; at < rows.size(); at += block) {
    ASSERT_EQ(scale_of_group(&rows[at]), scale_of_group(&rows[at / bytes * bytes])) << tensor.name;
  }
}

bool says_by_row(const Json& config) {
  const Json& quantization = config["quantization_config"];
  if (quantization.contains("group_size")) return quantization["group_size"] == -1;
  const Json& weights = quantization["config_groups"]["group_0"]["weights"];
  return weights["strategy"] == "channel" && weights["group_size"].is_null();
}

std::uint64_t bytes_of_tensors(const Checkpoint& checkpoint) {
  std::uint64_t bytes = 0;
  for (const TensorView& view : checkpoint.tensors()) bytes += view.data.size();
  return bytes;
}

TEST_P(ByRow, IsWrittenAndReadBack) {
  const ModelFiles source(golden_model("gpt2"));  // rows of 64 and 256
  const auto options = [&](const std::string& to) {
    CompressOptions result = this->options(source, to);
    result.symmetric = false;
    return result;
  };
  const CompressReport report =
      compress(source, nullptr, folder_ / "out", options(GetParam().target), pool_);
  EXPECT_TRUE(says_by_row(Checkpoint::open(folder_ / "out").config()));
  const ModelFiles back(folder_ / "out");
  // Bits are counted as they are stored, the scale of a row once.
  EXPECT_EQ(back.weight_bytes(), bytes_of_tensors(back.checkpoint()));
  EXPECT_DOUBLE_EQ(report.bits_per_weight, 8.0 * static_cast<double>(back.weight_bytes()) /
                                               static_cast<double>(back.parameters()));
  std::size_t matrices = 0;
  for (const ModelTensor& tensor : back.tensors()) {
    if (find_group_type(tensor.dtype) == nullptr) continue;
    expect_one_scale(tensor);
    ++matrices;
  }
  EXPECT_GT(matrices, 0u);
  // Through a bundle, and as a folder again.
  convert(back, nullptr, folder_ / "bundle", {"bundle", "keep"}, pool_);
  const ModelFiles bundle(folder_ / "bundle");
  convert(bundle, nullptr, folder_ / "again", {GetParam().target, "keep"}, pool_);
  EXPECT_EQ(test::all_bytes(folder_ / "again/model.safetensors"),
            test::all_bytes(folder_ / "out/model.safetensors"));
  EXPECT_TRUE(says_by_row(Checkpoint::open(folder_ / "again").config()));
}

INSTANTIATE_TEST_SUITE_P(Methods, ByRow,
                         ::testing::Values(SymmetricCase{"gptq", "w2grow", "rtn", false},
                                           SymmetricCase{"gptq", "w3grow", "rtn", false},
                                           SymmetricCase{"gptq", "w4grow", "gptq"},
                                           SymmetricCase{"gptq", "w8grow", "awq"},
                                           SymmetricCase{"awq", "w4grow", "rtn", false},
                                           SymmetricCase{"compressed-tensors", "w4grow", "best"},
                                           SymmetricCase{"compressed-tensors", "w8grow",
                                                         "smooth,gptq"}),
                         [](const auto& test) {
                           std::string name = test.param.target.substr(0, 4) + "_" +
                                              test.param.type + "_" + test.param.method +
                                              (test.param.text ? "_text" : "");
                           std::replace(name.begin(), name.end(), ',', '_');
                           return name;
                         });

// Rows that are copied from a source of the same type may have zeros and scales of any kind.
TEST(GroupRules, WhatDoesNotKeepToThemIsEncodedAnew) {
  TemporaryFolder folder;
  ThreadPool pool(2);
  compress(ModelFiles(golden_model("gpt2")), nullptr, folder / "any", {.type = "w4g32"}, pool);
  const ModelFiles any(folder / "any");
  compress(any, nullptr, folder / "out",
           {.type = "w4g32", .to = "compressed-tensors", .symmetric = true}, pool);
  EXPECT_TRUE(says_symmetric(Checkpoint::open(folder / "out").config()));
  const ModelFiles back(folder / "out");
  const ModelTensor& tensor = back.need("blk.0.ffn_up.weight");
  std::vector<float> values = test::values_of(any.need(tensor.name));
  std::vector<std::byte> expected(tensor_bytes(tensor.dtype, tensor.shape).value());
  encode_groups(*find_group_type(tensor.dtype), {.symmetric = true}, values.data(), expected.data(),
                values.size());
  EXPECT_EQ(rows_of(tensor), expected);
  // What keeps to them is copied.
  compress(back, nullptr, folder / "again",
           {.type = "w4g32", .to = "compressed-tensors", .symmetric = true}, pool);
  EXPECT_EQ(test::all_bytes(folder / "again"), test::all_bytes(folder / "out"));
}

bool has_zero_of_0(const ModelFiles& files) {
  for (const ModelTensor& tensor : files.tensors()) {
    if (find_group_type(tensor.dtype) == nullptr) continue;
    const std::vector<std::byte> rows = rows_of(tensor);
    for (std::size_t at = 0; at < rows.size(); at += info(tensor.dtype).block_bytes) {
      if (scale_of_group(&rows[at]).zero == 0) return true;
    }
  }
  return false;
}

std::string gptq_version(const std::string& folder) {
  return Checkpoint::open(folder).config()["quantization_config"]["checkpoint_format"];
}

// GPTQ's first version stores zeros less 1, and readers do not agree on what 0 becomes.
TEST(GptqZeros, Of0AreNeitherMadeNorLost) {
  TemporaryFolder folder;
  ThreadPool pool(2);
  ModelFiles source(golden_model("gpt2"));
  const std::string positive = "blk.0.ffn_up.weight";
  std::vector<float> values = test::values_of(source.need(positive));
  for (float& value : values) value = std::fabs(value);
  const ByteView bytes = std::as_bytes(std::span<const float>(values));
  source.replace({positive, DType::f32, Shape(source.need(positive).shape), "rows", false, bytes});
  compress(source, nullptr, folder / "made", {.type = "w2g32", .to = "gptq"}, pool);
  EXPECT_FALSE(has_zero_of_0(ModelFiles(folder / "made")));
  EXPECT_EQ(gptq_version(folder / "made"), "gptq");
  // A source that has some is written as the second version.
  compress(source, nullptr, folder / "bundle", {.type = "w2g32"}, pool);
  const ModelFiles bundle(folder / "bundle");
  ASSERT_TRUE(has_zero_of_0(bundle));
  convert(bundle, nullptr, folder / "kept", {"gptq", "keep"}, pool);
  EXPECT_EQ(gptq_version(folder / "kept"), "gptq_v2");
  const ModelFiles kept(folder / "kept");
  for (const ModelTensor& tensor : bundle.tensors()) {
    if (find_group_type(tensor.dtype) == nullptr) continue;
    EXPECT_EQ(rows_of(kept.need(tensor.name)), rows_of(tensor)) << tensor.name;
  }
}

std::string symmetric_refusal(const std::string& target, const std::string& type) {
  TemporaryFolder folder;
  ThreadPool pool(1);
  return test::message(ErrorCode::kUsage, [&] {
    compress(ModelFiles(golden_model("gpt2")), nullptr, folder / "out",
             {.type = type, .to = target, .symmetric = true}, pool);
  });
}

TEST(SymmetricRefusal, SaysWhatToDo) {
  EXPECT_THAT(symmetric_refusal("awq", "w4g32"),
              ::testing::HasSubstr("choose a format from bundle gptq compressed-tensors"));
  EXPECT_THAT(symmetric_refusal("gguf", "q4_0"), ::testing::HasSubstr("w4g128"));
}

std::string refusal(const std::string& target, const std::string& type) {
  TemporaryFolder folder;
  ThreadPool pool(1);
  try {
    compress(ModelFiles(golden_model("llama")), nullptr, folder / "out",
             {.type = type, .to = target}, pool);
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ErrorCode::kUsage);
    EXPECT_FALSE(std::filesystem::exists(folder / "out"));
    return error.what();
  }
  return "written";
}

TEST(GroupTargets, RefuseOtherTypesNamingTheirOwn) {
  EXPECT_THAT(refusal("awq", "q4_0"), ::testing::HasSubstr("w4g128"));
  EXPECT_THAT(refusal("awq", "w8g32"), ::testing::HasSubstr("w4g128"));
  EXPECT_THAT(refusal("compressed-tensors", "w2g32"), ::testing::HasSubstr("w4g32"));
  EXPECT_THAT(refusal("gptq", "f16"), ::testing::HasSubstr("w4g128"));
}

}  // namespace
}  // namespace halfbyte
