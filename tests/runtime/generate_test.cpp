// Generating: stop strings across tokens, ends, limits. The model is a golden one; a sink sees what
// it says first, and stop strings are cut from that.
#include "runtime/generate.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "run.h"
#include "support/toy_tokenizer.h"

namespace halfbyte {
namespace {

using namespace test;
using testing::AllOf;
using testing::HasSubstr;
using testing::StartsWith;

class Generate : public testing::Test {
 protected:
  static constexpr std::uint64_t kTokens = 24;

  static GenerateOptions options(std::vector<std::string> stop = {}) {
    GenerateOptions result;
    result.max_tokens = kTokens;
    result.sampling.temperature = 1.0f;
    result.sampling.top_k = 0;
    result.sampling.seed = 3;
    result.stop = std::move(stop);
    result.ignore_end = true;
    return result;
  }
  Generation run(const GenerateOptions& options, const TextSink& sink = {}) const {
    Session session(*model_);
    return generate(session, tokenizer_, tokenizer_.encode("ab, cd!"), options, sink);
  }

  ThreadPool pool_{2};
  std::unique_ptr<Model> model_ = Model::open(model_path("llama"), pool_);
  Tokenizer tokenizer_ = Tokenizer::from_json(toy_tokenizer_json(), toy_tokenizer_config(), "toy");
};

TEST_F(Generate, ToyTokenizerIsWhatItSays) {
  EXPECT_EQ(tokenizer_.encode("ab!"), (std::vector<TokenId>{259, toy_id('!')}));
  EXPECT_EQ(tokenizer_.encode("</s>"), (std::vector<TokenId>{kToyEnd}));
}

TEST_F(Generate, EndsAtTheLimit) {
  const Generation all = run(options());
  EXPECT_EQ(all.finish, FinishReason::length);
  EXPECT_EQ(all.tokens.size(), kTokens);
  EXPECT_EQ(all.decoded, kTokens - 1);  // the last token is not read
  EXPECT_EQ(all.prompt_tokens, 5u);
  GenerateOptions none = options();
  none.max_tokens = 0;
  EXPECT_TRUE(run(none).tokens.empty());
}

TEST_F(Generate, SameSeedSameText) {
  EXPECT_EQ(run(options()).tokens, run(options()).tokens);
  GenerateOptions other = options();
  other.sampling.seed = 4;
  EXPECT_NE(run(other).tokens, run(options()).tokens);
}

TEST_F(Generate, PiecesOfTheSinkMakeTheText) {
  std::string seen;
  const Generation all = run(options(), [&](std::string_view piece) {
    seen += piece;
    return true;
  });
  EXPECT_EQ(seen, all.text);
}

TEST_F(Generate, StopStringsAcrossTokens) {
  const std::string text = run(options()).text;
  ASSERT_GT(text.size(), 12u);
  for (std::size_t at = 0; at + 4 < text.size(); ++at) {
    const std::string stop = text.substr(at, 4);
    std::string seen;
    const Generation cut = run(options({stop}), [&](std::string_view piece) {
      seen += piece;
      return true;
    });
    EXPECT_EQ(cut.text, text.substr(0, text.find(stop)));
    EXPECT_EQ(seen, cut.text);  // nothing of the stop string came out
    EXPECT_EQ(cut.finish, FinishReason::stop);
  }
}

TEST_F(Generate, TheFirstStopStringInTheTextCounts) {
  const std::string text = run(options()).text;
  const std::string early = text.substr(2, 4);
  const std::string late = text.substr(3, 3);  // complete at the same token
  const std::string expected = text.substr(0, std::min(text.find(early), text.find(late)));
  EXPECT_EQ(run(options({late, early})).text, expected);
  EXPECT_EQ(run(options({early, late, ""})).text, expected);
}

TEST_F(Generate, WhatOnlyBeginsAStopStringComesOut) {
  const std::string text = run(options()).text;
  const Generation all = run(options({text.substr(text.size() - 2) + "never"}));
  EXPECT_EQ(all.text, text);
  EXPECT_EQ(all.finish, FinishReason::length);
}

TEST_F(Generate, TheSinkInterrupts) {
  int calls = 0;
  const Generation cut = run(options(), [&](std::string_view) { return ++calls < 3; });
  EXPECT_EQ(calls, 3);
  EXPECT_LT(cut.tokens.size(), kTokens);
}

TEST_F(Generate, EndTokensEndAndAreNotText) {
  GenerateOptions open = options();
  const std::vector<TokenId> ids = run(open).tokens;
  // The model's own end token, 2, comes sooner or later at a high temperature.
  open.sampling.temperature = 30.0f;
  open.sampling.min_p = 0.0f;
  open.sampling.top_p = 1.0f;
  open.max_tokens = 240;
  for (std::uint64_t seed = 0; seed < 40; ++seed) {
    open.sampling.seed = seed;
    open.ignore_end = true;
    const std::vector<TokenId> all = run(open).tokens;
    const auto end = std::find(all.begin(), all.end(), kToyEnd);
    if (end == all.end()) continue;
    open.ignore_end = false;
    const Generation ended = run(open);
    EXPECT_EQ(ended.finish, FinishReason::stop);
    EXPECT_EQ(ended.tokens, std::vector<TokenId>(all.begin(), end));
    return;
  }
  FAIL() << "no seed gave an end token";
}

TEST_F(Generate, EndsWhereTheContextIsFull) {
  SessionOptions small;
  small.context = 12;
  Session session(*model_, small);
  GenerateOptions wide = options();
  const std::vector<TokenId> prompt = {10, 11, 12, 13};
  const Generation cut = generate(session, tokenizer_, prompt, wide);
  EXPECT_EQ(cut.finish, FinishReason::length);
  EXPECT_EQ(cut.tokens.size(), 9u);  // 8 that are read, and the last
  Session other(*model_, small);
  const std::vector<TokenId> long_prompt(12, 10);
  EXPECT_THAT(outcome_of([&] { generate(other, tokenizer_, long_prompt, wide); }),
              AllOf(StartsWith("usage"), HasSubstr("12")));
  EXPECT_THAT(outcome_of([&] { generate(other, tokenizer_, {}, wide); }),
              AllOf(StartsWith("usage"), HasSubstr("empty")));
}

TEST_F(Generate, EncoderDecodersReadThePromptWithTheEncoder) {
  const auto t5 = Model::open(model_path("t5"), pool_);
  const TensorFile golden(model_path("t5") + "/golden.safetensors");
  Session session(*t5);
  GenerateOptions greedily = options();
  greedily.sampling.temperature = 0.0f;
  greedily.max_tokens = 16;
  // Row 0 of the golden batch has no padding.
  const std::vector<std::uint8_t> mask = golden.row<std::uint8_t>("attention_mask", 0);
  ASSERT_EQ(std::count(mask.begin(), mask.end(), 1), static_cast<std::ptrdiff_t>(mask.size()));
  const Generation answer = generate(session, tokenizer_, golden.row("input_ids", 0), greedily);
  EXPECT_EQ(answer.tokens, golden.row("greedy", 0));
}

TEST_F(Generate, EncodersDoNotGenerate) {
  const auto bert = Model::open(model_path("bert"), pool_);
  Session session(*bert);
  const std::vector<TokenId> prompt = {5};
  EXPECT_THAT(outcome_of([&] { generate(session, tokenizer_, prompt, options()); }),
              AllOf(StartsWith("usage"), HasSubstr("embed")));
}

}  // namespace
}  // namespace halfbyte
