// Prefill in bfloat16 beside decoding in int8: each phase's bits are its own, however the rows are
// cut and whoever computes them. Tiles are emulated where the CPU has none.
#include <gtest/gtest.h>

#include "quantized.h"
#include "run.h"
#include "support/amx_emulator.h"

namespace halfbyte {
namespace {

using namespace test;

// The features whose prefill may differ from decoding.
std::vector<CpuFeatures> features_with_bf16() {
  std::vector<CpuFeatures> list;
  CpuFeatures features = features_to_test();
  if (!features.has(CpuFeature::avx512bf16)) return list;
  const bool tiles = features.has(CpuFeature::amx_bf16);
  if (tiles) list.push_back(features);
  features.bits &= ~static_cast<std::uint32_t>(CpuFeature::amx_bf16);
  list.push_back(features);
  return list;
}

class Phases : public testing::Test {
 protected:
  static constexpr std::size_t kTokens = 21;

  static LoadOptions options(CpuFeatures features, Compute compute) {
    LoadOptions result;
    result.features = features;
    result.compute = compute;
    return result;
  }
  static std::vector<TokenId> tokens(const Model& model) {
    std::vector<TokenId> list;
    for (std::size_t i = 0; i < kTokens; ++i)
      list.push_back(static_cast<TokenId>((i * i * 37 + 11) % model.spec().vocab));
    return list;
  }
  static std::vector<float> prefilled(const Model& model, std::uint64_t chunk) {
    SessionOptions session;
    session.chunk = chunk;
    return logits_of(model, tokens(model), session);
  }

  TemporaryFolder folder_;
  std::string path_ = quantized_model("llama", DType::q8_0, folder_);
};

// A bfloat16 has 8 bits like an int8 code, but a scale of its own.
TEST_F(Phases, Bf16LosesLessThanInt8) {
  ThreadPool pool(2);
  for (const CpuFeatures features : features_with_bf16()) {
    const auto logits = [&](Compute compute) {
      return prefilled(*Model::open(path_, pool, options(features, compute)), 512);
    };
    const std::vector<float> exact = logits(Compute::f32);
    const double bf16 = error_in_deviations(exact, logits(Compute::bf16));
    EXPECT_LT(bf16, 0.5 * error_in_deviations(exact, logits(Compute::int8)));
    EXPECT_GT(bf16, 0.0) << "bf16 did not run";
  }
}

TEST_F(Phases, PrefillHasTheSameBitsForAnyThreadsAndChunks) {
  for (const CpuFeatures features : features_with_bf16()) {
    for (const Compute compute : {Compute::bf16, Compute::int8}) {
      std::vector<float> first;
      for (const std::size_t threads : {1u, 2u, 3u, 7u}) {
        ThreadPool pool(threads);
        const auto model = Model::open(path_, pool, options(features, compute));
        for (const std::uint64_t chunk : {512u, 7u}) {
          const std::vector<float> logits = prefilled(*model, chunk);
          if (first.empty()) first = logits;
          EXPECT_TRUE(logits == first) << threads << " threads, chunks of " << chunk;
        }
      }
    }
  }
}

TEST_F(Phases, ManyDecodedRowsHaveTheBitsOfOneByOne) {
  ThreadPool pool(2);
  for (const CpuFeatures features : features_with_bf16()) {
    const auto model = Model::open(path_, pool, options(features, Compute::bf16));
    const std::size_t vocab = model->spec().vocab;
    const std::vector<TokenId> list = tokens(*model);
    std::vector<float> together(kTokens * vocab);
    Session session(*model);
    session.append(list, kTokens, together.data(), Phase::decode);
    std::vector<float> apart(kTokens * vocab);
    session.rewind(0);
    for (std::size_t i = 0; i < kTokens; ++i) session.append({&list[i], 1}, 1, &apart[i * vocab]);
    EXPECT_TRUE(together == apart);
  }
}

// Without being told, CPUs with tiles prefill in bfloat16 and others in int8, but for float
// weights.
TEST_F(Phases, DefaultsFollowTheCpu) {
  using enum CpuFeature;
  const CpuFeatures all = {~0u};
  CpuFeatures no_tiles = all;
  no_tiles.bits &= ~static_cast<std::uint32_t>(amx_bf16);
  const LinearChoice tiles = choose_linear(DType::q4_0, std::nullopt, all);
  EXPECT_NE(tiles.prefill->bf16, nullptr);
  EXPECT_NE(tiles.decode->int8, nullptr);
  EXPECT_NE(tiles.batch->int8, nullptr);
  EXPECT_NE(choose_linear(DType::q4_0, std::nullopt, no_tiles).prefill->int8, nullptr);
  EXPECT_NE(choose_linear(DType::q4_0, Compute::bf16, no_tiles).prefill->bf16, nullptr);
  EXPECT_NE(choose_linear(DType::f16, std::nullopt, all).prefill->bf16, nullptr);
  for (const DType floats : {DType::f16, DType::bf16}) {
    EXPECT_NE(choose_linear(floats, std::nullopt, no_tiles).prefill->bf16, nullptr);
    EXPECT_NE(choose_linear(floats, std::nullopt, no_tiles).decode->f32, nullptr);
    EXPECT_NE(choose_linear(floats, Compute::f32, no_tiles).prefill->f32, nullptr);
    EXPECT_NE(choose_linear(floats, std::nullopt, {}).prefill->f32, nullptr);
  }
  EXPECT_NE(choose_linear(DType::f32, std::nullopt, all).prefill->f32, nullptr);
  EXPECT_NE(choose_linear(DType::q4_0, Compute::bf16, {}).prefill->f32, nullptr);  // no such CPU
}

}  // namespace
}  // namespace halfbyte
