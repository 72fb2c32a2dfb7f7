// w8a8, int8 and w4a8: what is written is what the encoder gives, is read back, runs the same on
// any number of threads, and is refused where no format can hold it.
#include <cmath>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/error.h"
#include "compress/compress.h"
#include "compress/convert.h"
#include "runtime/session.h"
#include "support.h"
#include "support/amx_emulator.h"

namespace halfbyte {
namespace {

using test::golden_model;
using test::rows_of;
using test::TemporaryFolder;

class RowInt8 : public ::testing::TestWithParam<std::string> {
 protected:
  std::vector<float> logits(const std::string& path, std::size_t threads,
                            const LoadOptions& load = {}, const SessionOptions& options = {}) {
    ThreadPool pool(threads);
    const auto model = Model::open(path, pool, load);
    std::vector<TokenId> tokens(39);
    for (std::size_t i = 0; i < tokens.size(); ++i) tokens[i] = static_cast<TokenId>(i * 7 % 90);
    std::vector<float> result(tokens.size() * model->spec().vocab);
    Session session(*model, options);
    session.append(tokens, tokens.size(), result.data(), Phase::prefill);
    return result;
  }
  TemporaryFolder folder_;
  ThreadPool pool_{2};
};

INSTANTIATE_TEST_SUITE_P(Types, RowInt8, ::testing::Values("w8a8", "int8", "w4a8"),
                         [](const auto& test) { return test.param; });

TEST_P(RowInt8, BundleHoldsTheEncodersRows) {
  const ModelFiles source(golden_model("llama"));
  compress(source, nullptr, folder_ / "out", {.type = GetParam()}, pool_);
  const ModelFiles out(folder_ / "out");
  std::size_t matrices = 0;
  for (const ModelTensor& tensor : out.tensors()) {
    if (name(tensor.dtype) != GetParam()) continue;
    const std::vector<float> values = test::values_of(source.need(tensor.name));
    std::vector<std::byte> rows(tensor_bytes(tensor.dtype, tensor.shape).value());
    encode_whole_rows(info(tensor.dtype), values.data(), rows.data(), tensor.shape[0],
                      tensor.shape[1]);
    EXPECT_EQ(rows_of(tensor), rows) << tensor.name;
    ++matrices;
  }
  EXPECT_GT(matrices, 0u);
  EXPECT_EQ(out.need("token_embd.weight").dtype, DType::q8_0);
}

TEST_P(RowInt8, RunsAlikeOnAnyThreads) {
  compress(ModelFiles(golden_model("llama")), nullptr, folder_ / "out", {.type = GetParam()},
           pool_);
  const std::vector<float> one = logits(folder_ / "out", 1);
  for (const float value : one) ASSERT_TRUE(std::isfinite(value));
  for (const std::size_t threads : {2u, 3u, 5u}) {
    EXPECT_EQ(logits(folder_ / "out", threads), one) << threads;
  }
}

// Both multiply exactly, and attention is in f32 for either. Tiles are emulated where the CPU has
// none.
TEST_P(RowInt8, PrefillInTilesHasTheBitsOfOtherKernels) {
  const CpuFeatures tiles = test::features_to_test();
  if (!tiles.has(CpuFeature::amx_int8)) GTEST_SKIP() << "no tiles";
  compress(ModelFiles(golden_model("llama")), nullptr, folder_ / "out", {.type = GetParam()},
           pool_);
  const auto with = [&](CpuFeatures features, std::size_t threads, std::uint64_t chunk) {
    LoadOptions load;
    load.features = features;
    load.compute = Compute::int8;
    SessionOptions options;
    options.kv = DType::f32;
    options.chunk = chunk;
    return logits(folder_ / "out", threads, load, options);
  };
  const std::vector<float> expected = with(mask_to_isa(tiles, "avx512vnni"), 2, 512);
  for (const std::size_t threads : {1u, 2u, 3u, 7u}) {
    for (const std::uint64_t chunk : {512u, 18u}) {
      EXPECT_TRUE(with(tiles, threads, chunk) == expected) << threads << ' ' << chunk;
    }
  }
}

TEST_P(RowInt8, GgufCannotHoldIt) {
  compress(ModelFiles(golden_model("llama")), nullptr, folder_ / "out", {.type = GetParam()},
           pool_);
  const ModelFiles bundle(folder_ / "out");
  const auto refusal = [&](const auto& write) -> std::string {
    try {
      write();
    } catch (const Error& error) {
      EXPECT_EQ(error.code(), ErrorCode::kUnsupported);
      return error.what();
    }
    return "written";
  };
  EXPECT_THAT(refusal([&] {
                compress(ModelFiles(golden_model("llama")), nullptr, folder_ / "a.gguf",
                         {.type = GetParam(), .to = "gguf"}, pool_);
              }),
              ::testing::HasSubstr("a format from bundle"));
  EXPECT_THAT(refusal([&] {
                convert(bundle, nullptr, folder_ / "b.gguf", {"gguf", "keep"}, pool_);
              }),
              ::testing::HasSubstr("gguf cannot hold " + GetParam()));
  EXPECT_THAT(folder_.names(), ::testing::ElementsAre("out"));
}

TEST(MethodInt8, IsItsType) {
  TemporaryFolder folder;
  ThreadPool pool(2);
  const ModelFiles source(golden_model("llama"));
  compress(source, nullptr, folder / "method", {.method = "int8"}, pool);
  compress(source, nullptr, folder / "type", {.type = "int8"}, pool);
  const ModelFiles one(folder / "type");
  const ModelFiles other(folder / "method");
  for (const ModelTensor& tensor : one.tensors()) {
    EXPECT_EQ(other.need(tensor.name).dtype, tensor.dtype);
    EXPECT_EQ(rows_of(other.need(tensor.name)), rows_of(tensor)) << tensor.name;
  }
  EXPECT_THROW(compress(source, nullptr, folder / "a", {.method = "int8", .type = "q4_0"}, pool),
               Error);
}

}  // namespace
}  // namespace halfbyte
