// Every golden model through every format and back: nothing is lost.
#include <cmath>
#include <cstring>

#include <gtest/gtest.h>

#include "compress/convert.h"
#include "model/config_gguf.h"
#include "support.h"

namespace halfbyte {
namespace {

using test::golden_model;
using test::TemporaryFolder;
using test::values_of;

std::string text_of(const ModelSpec& spec) {
  return spec_to_json(spec).dump();
}

// Equal bit for bit; `slack`: norms of Gemma went through 1 + w.
void expect_same_tensors(const ModelFiles& expected, const ModelFiles& actual, bool slack) {
  ASSERT_EQ(expected.tensors().size(), actual.tensors().size());
  for (const ModelTensor& tensor : expected.tensors()) {
    const ModelTensor* other = actual.find(tensor.name);
    ASSERT_NE(other, nullptr) << tensor.name;
    EXPECT_EQ(tensor.shape, other->shape) << tensor.name;
    const std::vector<float> a = values_of(tensor);
    const std::vector<float> b = values_of(*other);
    ASSERT_EQ(a.size(), b.size()) << tensor.name;
    if (slack && tensor.name.ends_with("norm.weight")) {
      for (std::size_t i = 0; i < a.size(); ++i) ASSERT_NEAR(a[i], b[i], 3e-7f) << tensor.name;
      continue;
    }
    EXPECT_EQ(std::memcmp(a.data(), b.data(), a.size() * sizeof(float)), 0) << tensor.name;
  }
}

class RoundTrip : public testing::TestWithParam<std::string> {
 protected:
  // Converts `from` and gives the path of the result.
  std::string to(const std::string& format, const std::string& from, const std::string& name) {
    convert(ModelFiles(from), nullptr, folder_ / name, {format, "keep"}, pool_);
    return folder_ / name;
  }
  TemporaryFolder folder_;
  ThreadPool pool_{2};
};

TEST_P(RoundTrip, Gguf) {
  const ModelFiles source(golden_model(GetParam()));
  const ModelFiles gguf(to("gguf", golden_model(GetParam()), "a.gguf"));
  EXPECT_EQ(text_of(gguf.spec()), text_of(gguf_spec(source.spec())));
  const ModelFiles back(to("safetensors", folder_ / "a.gguf", "back"));
  EXPECT_EQ(text_of(back.spec()), text_of(source.spec()));
  expect_same_tensors(source, back, GetParam() == "gemma3");
}

TEST_P(RoundTrip, Bundle) {
  const ModelFiles source(golden_model(GetParam()));
  const ModelFiles bundle(to("bundle", golden_model(GetParam()), "a"));
  EXPECT_EQ(text_of(bundle.spec()), text_of(source.spec()));
  expect_same_tensors(source, bundle, false);
  bundle.checkpoint().bundle()->verify();
  const ModelFiles back(to("safetensors", folder_ / "a", "back"));
  EXPECT_EQ(text_of(back.spec()), text_of(source.spec()));
  expect_same_tensors(source, back, false);
}

TEST_P(RoundTrip, BundleOfGguf) {
  to("gguf", golden_model(GetParam()), "a.gguf");
  const ModelFiles gguf(folder_ / "a.gguf");
  const ModelFiles bundle(to("bundle", folder_ / "a.gguf", "b"));
  EXPECT_EQ(text_of(bundle.spec()), text_of(gguf.spec()));
  expect_same_tensors(gguf, bundle, false);
  const ModelFiles again(to("gguf", folder_ / "b", "c.gguf"));
  expect_same_tensors(gguf, again, false);
  EXPECT_EQ(text_of(again.spec()), text_of(gguf.spec()));
}

// A folder's own config.json and generation_config.json go along.
TEST_P(RoundTrip, Folder) {
  const ModelFiles source(golden_model(GetParam()));
  const ModelFiles copy(to("safetensors", golden_model(GetParam()), "copy"));
  EXPECT_EQ(text_of(copy.spec()), text_of(source.spec()));
  expect_same_tensors(source, copy, false);
  EXPECT_EQ(copy.checkpoint().generation_config(), source.checkpoint().generation_config());
}

TEST_P(RoundTrip, HalvesAreWritten) {
  const std::string out = folder_ / "half";
  const CompressReport report =
      convert(ModelFiles(golden_model(GetParam())), nullptr, out, {"safetensors", "bf16"}, pool_);
  EXPECT_DOUBLE_EQ(report.bits_per_weight, 16.0);
  for (const LayerReport& layer : report.layers) EXPECT_LT(layer.error, 0.004) << layer.name;
  const ModelFiles half(out);
  for (const ModelTensor& tensor : half.tensors()) EXPECT_EQ(tensor.dtype, DType::bf16);
}

INSTANTIATE_TEST_SUITE_P(Goldens, RoundTrip, testing::ValuesIn(test::golden_models()),
                         [](const auto& test) {
                           std::string name = test.param;
                           for (char& c : name) c = c == '-' ? '_' : c;
                           return name;
                         });

}  // namespace
}  // namespace halfbyte
