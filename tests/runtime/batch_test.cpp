// Batches: each sequence gets the bits that it gets alone, whoever reads with it.
#include "runtime/batch.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "quantized.h"
#include "run.h"

namespace halfbyte {
namespace {

using namespace test;
using testing::AllOf;
using testing::HasSubstr;
using testing::StartsWith;

constexpr std::size_t kSequences = 9;
constexpr std::size_t kSteps = 11;
constexpr std::uint64_t kContext = 48;

// Sequence i reads a prompt of a length of its own, joins at step i, and leaves after kSteps: the
// passes have 1, 2, ... 9, 9, 9, ... 2, 1 sequences.
struct Script {
  explicit Script(std::uint64_t vocab) {
    for (std::size_t i = 0; i < kSequences; ++i) {
      for (std::size_t t = 0; t < 1 + (5 * i) % 23 + kSteps; ++t) {
        all[i].push_back(static_cast<TokenId>((31 * i + 7 * t * t + 3) % vocab));
      }
    }
  }
  std::span<const TokenId> prompt(std::size_t i) const {
    return std::span(all[i]).first(all[i].size() - kSteps);
  }
  std::span<const TokenId> step(std::size_t i, std::size_t s, std::size_t count = 1) const {
    return std::span(all[i]).subspan(all[i].size() - kSteps + s, count);
  }
  std::vector<TokenId> all[kSequences];
};

using Logits = std::vector<std::vector<float>>;  // of all steps of each sequence

Logits alone(const Model& model, const Script& script) {
  const std::size_t vocab = model.spec().vocab;
  SessionOptions options;
  options.context = kContext;
  Session session(model, options);
  Logits logits(kSequences, std::vector<float>(kSteps * vocab));
  for (std::size_t i = 0; i < kSequences; ++i) {
    session.rewind(0);
    session.append(script.prompt(i), 0, nullptr);
    for (std::size_t s = 0; s < kSteps; ++s)
      session.append(script.step(i, s), 1, &logits[i][s * vocab]);
  }
  return logits;
}

Logits together(const Model& model, const Script& script) {
  const std::size_t vocab = model.spec().vocab;
  Batch batch(model, 16, kContext);
  std::vector<std::unique_ptr<Sequence>> sequences(kSequences);
  Logits logits(kSequences, std::vector<float>(kSteps * vocab));
  for (std::size_t step = 0; step < kSequences + kSteps - 1; ++step) {
    std::vector<Turn> turns;
    std::vector<std::size_t> who;
    for (std::size_t i = kSequences; i-- > 0;) {
      if (step < i || step >= i + kSteps) continue;
      if (step == i) {
        sequences[i] = std::make_unique<Sequence>(model, kContext);
        batch.append(*sequences[i], script.prompt(i), 0, nullptr);
      }
      turns.push_back({sequences[i].get(), script.step(i, step - i)});
      who.push_back(i);
    }
    std::vector<float> rows(turns.size() * vocab);
    batch.decode(turns, rows.data());
    for (std::size_t row = 0; row < who.size(); ++row) {
      std::copy_n(&rows[row * vocab], vocab, &logits[who[row]][(step - who[row]) * vocab]);
      if (step + 1 == who[row] + kSteps) sequences[who[row]].reset();
    }
  }
  return logits;
}

void expect_equal_bits(const std::string& path) {
  for (const std::string& isa : usable_isas()) {
    Logits expected;
    for (const std::size_t threads : {1u, 2u, 3u, 7u}) {
      ThreadPool pool(threads);
      const auto model = Model::open(path, pool, at_isa(isa));
      const Script script(model->spec().vocab);
      if (threads == 1) expected = alone(*model, script);
      EXPECT_TRUE(together(*model, script) == expected) << isa << ", " << threads << " threads";
    }
  }
}

class Batches : public testing::TestWithParam<std::string> {};

TEST_P(Batches, EachSequenceGetsItsOwnBits) {
  expect_equal_bits(model_path(GetParam()));
}

INSTANTIATE_TEST_SUITE_P(Models, Batches, testing::ValuesIn(decoder_models()),
                         [](const auto& param) {
                           std::string name = param.param;
                           std::replace(name.begin(), name.end(), '-', '_');
                           return name;
                         });

TEST(Batch, EachSequenceGetsItsOwnBitsFromQuantizedModels) {
  const TemporaryFolder folder;
  for (const DType dtype : {DType::q4_0, DType::q8_0, DType::f16})
    expect_equal_bits(quantized_model("llama", dtype, folder));
}

// Its scaling depends on how long each text is.
TEST(Batch, EachSequenceGetsItsOwnBitsWithDynamicScaling) {
  const TemporaryFolder folder;
  expect_equal_bits(assemble({"llama-dynamic", "llama"}, folder));
}

TEST(Batch, SequencesMayReadSeveralTokensEach) {
  ThreadPool pool(2);
  const auto model = Model::open(model_path("llama"), pool);
  const std::size_t vocab = model->spec().vocab;
  const Script script(vocab);
  const Logits expected = alone(*model, script);
  Batch batch(*model, 16, kContext);
  std::vector<Sequence> sequences;
  std::vector<Turn> turns;
  for (std::size_t i = 0; i < 4; ++i) {
    Sequence& sequence = sequences.emplace_back(*model, kContext);
    batch.append(sequence, script.prompt(i), 0, nullptr);
  }
  for (std::size_t i = 0; i < 4; ++i) turns.push_back({&sequences[i], script.step(i, 0, 2 * i)});
  std::vector<float> rows((0 + 2 + 4 + 6) * vocab);
  batch.decode(turns, rows.data());
  const float* row = rows.data();
  for (std::size_t i = 0; i < 4; row += 2 * i * vocab, ++i) {
    EXPECT_TRUE(std::equal(row, row + 2 * i * vocab, expected[i].begin())) << i;
    EXPECT_EQ(sequences[i].position(), script.prompt(i).size() + 2 * i);
  }
}

TEST(Batch, SaysWhatDoesNotFitAndReadsNothing) {
  ThreadPool pool(1);
  const auto model = Model::open(model_path("llama"), pool);
  Batch batch(*model, 3, 8);
  Sequence a(*model, 8);
  Sequence b(*model, 4);
  Sequence wide(*model, 9);
  const std::vector<TokenId> tokens = {5, 6, 7, 8, 9};
  const auto refused = [&](const std::vector<Turn>& turns) {
    return outcome_of([&] { batch.decode(turns, nullptr); });
  };
  const auto first = [&](std::size_t n) { return std::span(tokens).first(n); };
  batch.append(b, first(3), 0, nullptr);
  EXPECT_THAT(refused({{&a, first(1)}, {&b, first(2)}}),
              AllOf(StartsWith("usage"), HasSubstr("5"), HasSubstr("4")));
  EXPECT_THAT(refused({{&a, first(1)}, {&a, first(1)}}),
              AllOf(StartsWith("usage"), HasSubstr("twice")));
  EXPECT_THAT(refused({{&a, first(4)}}), AllOf(StartsWith("usage"), HasSubstr("4 tokens")));
  EXPECT_THAT(refused({{&wide, first(1)}}), AllOf(StartsWith("usage"), HasSubstr("9")));
  const std::vector<TokenId> bad = {-1};
  EXPECT_THAT(refused({{&a, first(1)}, {&b, bad}}), StartsWith("usage"));
  EXPECT_EQ(a.position(), 0u);
  EXPECT_EQ(b.position(), 3u);
  EXPECT_EQ(refused({}), "ok");
}

}  // namespace
}  // namespace halfbyte
