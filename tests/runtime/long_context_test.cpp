// Contexts of several chunks of keys, which threads share out when rows are few: the bits stay
// those of reading everything at once, for any number of threads and beside any other sequence.
#include <gtest/gtest.h>

#include "run.h"
#include "runtime/batch.h"

namespace halfbyte {
namespace {

using namespace test;

constexpr std::size_t kTokens = 600;
constexpr std::size_t kDecoded = 5;

class LongContext : public testing::TestWithParam<std::string> {
 protected:
  static std::vector<TokenId> tokens(const Model& model) {
    std::vector<TokenId> list;
    for (std::size_t i = 0; i < kTokens; ++i)
      list.push_back(static_cast<TokenId>((i * i * 13 + 5 * i + 1) % model.spec().vocab));
    return list;
  }
  static SessionOptions options() {
    SessionOptions result;
    result.context = kTokens;
    return result;
  }
  // Logits of the last tokens, read at once.
  static std::vector<float> at_once(const Model& model) {
    Session session(model, options());
    std::vector<float> logits(kDecoded * model.spec().vocab);
    session.append(tokens(model), kDecoded, logits.data());
    return logits;
  }
};

TEST_P(LongContext, OneByOneOrTogetherOnAnyThreads) {
  std::vector<float> expected;
  for (const std::size_t threads : {1u, 2u, 3u, 7u}) {
    ThreadPool pool(threads);
    const auto model = Model::open(model_path(GetParam()), pool);
    const std::size_t vocab = model->spec().vocab;
    if (expected.empty()) expected = at_once(*model);
    EXPECT_TRUE(at_once(*model) == expected) << threads << " threads";
    Session session(*model, options());
    const std::vector<TokenId> list = tokens(*model);
    const std::span all(list);
    session.append(all.first(kTokens - kDecoded), 0, nullptr);
    std::vector<float> logits(kDecoded * vocab);
    for (std::size_t i = 0; i < kDecoded; ++i)
      session.append(all.subspan(kTokens - kDecoded + i, 1), 1, &logits[i * vocab]);
    EXPECT_TRUE(logits == expected) << "one by one, " << threads << " threads";
    session.rewind(kTokens - kDecoded);
    session.append(all.last(kDecoded), kDecoded, logits.data(), Phase::decode);
    EXPECT_TRUE(logits == expected) << "verified together, " << threads << " threads";
  }
}

TEST_P(LongContext, BesideOtherSequences) {
  for (const std::size_t threads : {2u, 3u}) {
    ThreadPool pool(threads);
    const auto model = Model::open(model_path(GetParam()), pool);
    const std::size_t vocab = model->spec().vocab;
    const std::vector<float> expected = at_once(*model);
    const std::vector<TokenId> list = tokens(*model);
    const std::span all(list);
    Batch batch(*model, 64, kTokens);
    std::vector<Sequence> sequences;
    for (const std::size_t shorter : {0u, 310u, 0u, 590u}) {
      sequences.emplace_back(*model, kTokens, std::nullopt);
      batch.append(sequences.back(), all.first(kTokens - kDecoded - shorter), 0, nullptr);
    }
    for (std::size_t step = 0; step < kDecoded; ++step) {
      std::vector<Turn> turns;
      for (Sequence& sequence : sequences)
        turns.push_back({&sequence, all.subspan(kTokens - kDecoded + step, 1)});
      std::vector<float> logits(turns.size() * vocab);
      batch.decode(turns, logits.data());
      for (const std::size_t i : {0u, 2u})
        EXPECT_TRUE(
            std::equal(&logits[i * vocab], &logits[i * vocab] + vocab, &expected[step * vocab]))
            << "sequence " << i << ", step " << step;
    }
  }
}

INSTANTIATE_TEST_SUITE_P(Models, LongContext, testing::Values("llama", "gemma3", "qwen3"));

}  // namespace
}  // namespace halfbyte
