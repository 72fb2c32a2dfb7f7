// Prompt lookup: what is proposed, how much of it, and that the tokens stay the same.
#include "runtime/lookup.h"

#include <gtest/gtest.h>

#include "quantized.h"
#include "run.h"
#include "runtime/generate.h"
#include "support/toy_tokenizer.h"

namespace halfbyte {
namespace {

using namespace test;
using Tokens = std::vector<TokenId>;

Tokens proposal(const Tokens& text, std::size_t most) {
  LookupIndex index;
  index.push(text);
  return index.propose(most);
}

TEST(LookupIndex, ProposesWhatFollowed) {
  EXPECT_EQ(proposal({1, 2, 3, 4, 5, 6, 1, 2}, 3), (Tokens{3, 4, 5}));
  EXPECT_EQ(proposal({1, 2, 3, 4, 5, 6, 1, 2}, 0), Tokens{});
  EXPECT_EQ(proposal({1, 2, 3, 4, 5, 6, 7, 2}, 3), Tokens{});  // one token is no evidence
  EXPECT_EQ(proposal({}, 3), Tokens{});
  EXPECT_EQ(proposal({1, 1}, 3), Tokens{});  // its own end is no earlier occurrence
}

TEST(LookupIndex, TheLastOccurrenceOfTheLongestEnd) {
  EXPECT_EQ(proposal({1, 2, 3, 9, 1, 2, 4, 9, 1, 2}, 1), Tokens{4});
  // 7 1 2 stood before 3, later 1 2 alone before 4.
  EXPECT_EQ(proposal({7, 1, 2, 3, 9, 1, 2, 4, 7, 1, 2}, 1), Tokens{3});
}

TEST(LookupIndex, RunsOnWhereTheTextEnds) {
  EXPECT_EQ(proposal({1, 2, 3, 1, 2, 3}, 7), (Tokens{1, 2, 3, 1, 2, 3, 1}));
  EXPECT_EQ(proposal({5, 5, 5}, 3), (Tokens{5, 5, 5}));
}

// The index agrees with a search through the whole text.
TEST(LookupIndex, AgreesWithASearch) {
  Tokens text;
  LookupIndex index;
  std::uint32_t state = 1;
  for (int i = 0; i < 2000; ++i) {
    Tokens expected;
    for (std::size_t n = LookupIndex::kLongest; n >= LookupIndex::kShortest; --n) {
      for (std::size_t at = text.size(); expected.empty() && at-- > n;) {
        if (std::equal(text.end() - static_cast<std::ptrdiff_t>(n), text.end(),
                       text.begin() + static_cast<std::ptrdiff_t>(at - n)))
          expected = {text[at]};
      }
    }
    EXPECT_EQ(index.propose(1), expected) << i;
    state = state * 1664525 + 1013904223;
    text.push_back(static_cast<TokenId>(state >> 29));
    index.push(text.back());
  }
}

TEST(DraftLength, GrowsWithSuccessAndRestsAfterFailures) {
  DraftLength length;
  EXPECT_EQ(length.next(), 3u);
  length.judge(3, 3);
  EXPECT_EQ(length.next(), DraftLength::kMost);
  length.judge(7, 5);
  EXPECT_EQ(length.next(), DraftLength::kMost);
  length.judge(7, 1);
  EXPECT_EQ(length.next(), 3u);
  // Nothing is ever right: few steps try.
  int tries = 0;
  for (int step = 0; step < 1000; ++step) {
    if (length.next() == 0) continue;
    ++tries;
    length.judge(3, 0);
  }
  EXPECT_LT(tries, 40);
  // It comes back.
  while (length.next() == 0) {
  }
  length.judge(3, 2);
  EXPECT_EQ(length.next(), 3u);
}

class Lookup : public testing::Test {
 protected:
  static Generation run(const Model& model, GenerateOptions options, bool lookup,
                        std::optional<DType> kv = std::nullopt) {
    static const Tokenizer tokenizer =
        Tokenizer::from_json(toy_tokenizer_json(), toy_tokenizer_config(), "toy");
    SessionOptions session_options;
    session_options.context = 160;
    session_options.kv = kv;
    Session session(model, session_options);
    options.lookup = lookup;
    Tokens prompt;
    for (TokenId i = 0; i < 40; ++i) prompt.push_back(20 + i % 10);
    Generation result = generate(session, tokenizer, prompt, options);
    // What was read ahead and not chosen is gone; an encoder-decoder begins with one token.
    EXPECT_EQ(session.position(), (model.spec().encoder ? 1 : prompt.size()) + result.decoded);
    return result;
  }
  // The same tokens with and without; gives how many were accepted.
  static std::uint64_t expect_same(const Model& model, std::optional<DType> kv = std::nullopt) {
    std::uint64_t accepted = 0;
    for (const float temperature : {0.0f, 1.0f}) {
      for (const float penalty : {1.0f, 1.3f}) {
        GenerateOptions options;
        options.max_tokens = 150;  // more than the context holds
        options.ignore_end = true;
        options.sampling.temperature = temperature;
        options.sampling.repeat_penalty = penalty;
        options.sampling.seed = 5;
        const Generation plain = run(model, options, false, kv);
        const Generation ahead = run(model, options, true, kv);
        EXPECT_EQ(ahead.tokens, plain.tokens) << temperature << " " << penalty;
        EXPECT_EQ(ahead.decoded, plain.decoded);
        EXPECT_EQ(plain.drafted, 0u);
        EXPECT_LE(ahead.accepted, ahead.drafted);
        accepted += ahead.accepted;
      }
    }
    return accepted;
  }
  ThreadPool pool_{2};
};

TEST_F(Lookup, SameTokensOnEveryIsa) {
  for (const std::string& isa : usable_isas()) {
    std::uint64_t accepted = 0;
    for (const std::string name : {"llama-tied", "qwen3", "gpt2"}) {
      const auto model = Model::open(model_path(name), pool_, at_isa(isa));
      SCOPED_TRACE(name + " " + isa);
      accepted += expect_same(*model);
    }
    EXPECT_GT(accepted, 0u);
  }
}

TEST_F(Lookup, SameTokensFromQuantizedModelsAndCaches) {
  const TemporaryFolder folder;
  std::uint64_t accepted = 0;
  std::size_t small_caches = 0;
  for (const DType dtype : {DType::q4_0, DType::q8_0}) {
    for (const std::string& name : decoder_models()) {
      if (name == "gpt2") continue;  // stored transposed
      SCOPED_TRACE(name);
      const auto model = Model::open(quantized_model(name, dtype, folder), pool_);
      accepted += expect_same(*model);
      if (model->spec().decoder->head_dim % 32 != 0) continue;
      ++small_caches;
      accepted += expect_same(*model, DType::q8_0);
    }
  }
  EXPECT_GT(accepted, 0u);
  EXPECT_GT(small_caches, 0u);
}

// Its scaling depends on the length of the text: what was read ahead must not count.
TEST_F(Lookup, SameTokensWithDynamicScaling) {
  const TemporaryFolder folder;
  EXPECT_GT(expect_same(*Model::open(assemble({"llama-dynamic", "llama"}, folder), pool_)), 0u);
}

TEST_F(Lookup, EncoderDecodersToo) {
  expect_same(*Model::open(model_path("t5"), pool_));
}

}  // namespace
}  // namespace halfbyte
