// What is chosen where nobody says, also for CPUs that we do not have.
#include "compress/choose.h"

#include <filesystem>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "compress/compress.h"
#include "support.h"

namespace halfbyte {
namespace {

using testing::HasSubstr;

constexpr CpuFeatures kPlain = {};

CpuFeatures with(std::initializer_list<CpuFeature> features) {
  CpuFeatures all;
  for (const CpuFeature feature : features) all.bits |= static_cast<std::uint32_t>(feature);
  return all;
}
const CpuFeatures kAvx2 = with({CpuFeature::avx2});
const CpuFeatures kAvx512 = with({CpuFeature::avx2, CpuFeature::avx512, CpuFeature::avx512vnni});
const CpuFeatures kArm = with({CpuFeature::neon, CpuFeature::dotprod});

// A Llama with these widths.
ModelSpec spec_of(std::uint32_t width, std::uint32_t ffn) {
  ModelSpec spec = ModelFiles(test::golden_model("llama")).spec();
  spec.width = width;
  StackSpec& stack = *spec.decoder;
  stack.ffn = ffn;
  stack.heads = stack.kv_heads = width / 64;
  stack.head_dim = 64;
  return spec;
}

Choice choice(const ModelSpec& spec, CpuFeatures features, std::string_view to, bool text = false) {
  return choose({spec, need_target(to), features, text}, "", "");
}

TEST(Choose, TypesByRowsCpuAndFormat) {
  struct Case {
    std::uint32_t width, ffn;
    CpuFeatures features;
    const char* to;
    const char* type;
  };
  const Case cases[] = {
      {2048, 8192, kAvx512, "gguf", "q4_k_m"},   {2048, 8192, kPlain, "bundle", "q4_k_m"},
      {576, 1536, kAvx512, "gguf", "iq4_nl"},    {576, 1536, kAvx2, "gguf", "q4_0"},
      {2048, 8224, kAvx512, "bundle", "iq4_nl"}, {576, 1536, kArm, "bundle", "q4_0"},
      {576, 1536, kPlain, "gguf", "q4_0"},       {2048, 8192, kAvx512, "awq", "w4g128"},
      {576, 1536, kAvx2, "gptq", "w4g64"},       {576, 1568, kAvx2, "compressed-tensors", "w4g32"},
      {576, 1553, kAvx512, "gguf", "q4_0"},
  };
  for (const Case& c : cases) {
    EXPECT_EQ(choice(spec_of(c.width, c.ffn), c.features, c.to).type, c.type)
        << c.width << ' ' << c.ffn << ' ' << c.features.bits << ' ' << c.to;
  }
}

TEST(Choose, TheMethodDependsOnTheText) {
  const ModelSpec spec = spec_of(2048, 8192);
  const Choice blind = choice(spec, kAvx2, "gguf");
  EXPECT_EQ(blind.method, "rtn");
  EXPECT_THAT(blind.why, HasSubstr("--calib TEXT --method best"));
  EXPECT_THAT(blind.why, HasSubstr("q4_k_m"));
  EXPECT_EQ(choice(spec, kAvx2, "gguf", true).method, "best");
}

TEST(Choose, WhatIsAskedForStays) {
  const ModelSpec spec = spec_of(2048, 8192);
  const ChoiceFacts facts{spec, need_target("gguf"), kAvx2, true};
  const Choice asked = choose(facts, "q8_0", "rtn");
  EXPECT_EQ(asked.type, "q8_0");
  EXPECT_EQ(asked.method, "rtn");
  EXPECT_EQ(asked.why, "");
  EXPECT_EQ(choose(facts, "q8_0", "").method, "best");
  EXPECT_THAT(choose(facts, "", "rtn").why, testing::Not(HasSubstr("method")));
}

TEST(Choose, TypesWithAMethodOfTheirOwn) {
  const ModelSpec spec = spec_of(2048, 8192);
  const ChoiceFacts blind{spec, need_target("bundle"), kAvx2, false};
  const ChoiceFacts seen{spec, need_target("bundle"), kAvx2, true};
  EXPECT_EQ(choose(blind, "", "int8").type, "int8");
  EXPECT_EQ(choose(blind, "int8", "").method, "int8");
  EXPECT_EQ(choose(seen, "int8", "").method, "int8");
  EXPECT_EQ(choose(blind, "w8a8", "").method, "rtn");
  EXPECT_EQ(choose(seen, "w8a8", "").method, "smooth");
  EXPECT_EQ(choose(seen, "w4a8", "").method, "awq");
}

// A rule's type can be written wherever the rule says so.
TEST(Choose, EveryModelAndFormatIsServed) {
  test::TemporaryFolder folder;
  ThreadPool pool(2);
  for (const std::string& model : test::golden_models()) {
    const ModelFiles source(test::golden_model(model));
    for (const char* to : {"gguf", "bundle"}) {
      SCOPED_TRACE(model + " to " + to);
      const Choice chosen = choice(source.spec(), kAvx512, to);
      compress(source, nullptr, folder / "out",
               {.method = chosen.method, .type = chosen.type, .to = to}, pool);
      std::filesystem::remove_all(folder / "out");
    }
  }
}

}  // namespace
}  // namespace halfbyte
