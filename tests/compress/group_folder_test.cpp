// Folders as AutoAWQ, GPTQ and compressed-tensors publish them: written, and read back as the same
// blocks.
#include <filesystem>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/error.h"
#include "compress/compress.h"
#include "compress/convert.h"
#include "support.h"

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
