// A session: chunks, decoding one by one, cache types, rewinding, limits.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "run.h"

namespace halfbyte {
namespace {

using namespace test;
using testing::AllOf;
using testing::HasSubstr;
using testing::StartsWith;

class Decoder : public testing::TestWithParam<std::string> {
 protected:
  static SessionOptions options(std::uint64_t chunk, std::optional<DType> kv = std::nullopt) {
    SessionOptions result;
    result.chunk = chunk;
    result.kv = kv;
    return result;
  }
  std::string path_ = model_path(GetParam());
  TensorFile golden_{path_ + "/golden.safetensors"};
  std::vector<TokenId> input_ = golden_.row("input_ids", 0);
  ThreadPool pool_{2};
};

TEST_P(Decoder, SameBitsInChunksOfAnySize) {
  for (const std::string& isa : usable_isas()) {
    const auto model = Model::open(path_, pool_, at_isa(isa));
    const std::vector<float> whole = logits_of(*model, input_, options(512));
    for (const std::uint64_t chunk : {1u, 7u}) {
      EXPECT_TRUE(logits_of(*model, input_, options(chunk)) == whole) << isa << " chunk " << chunk;
    }
  }
}

TEST_P(Decoder, SameBitsTokenByToken) {
  for (const std::string& isa : usable_isas()) {
    const auto model = Model::open(path_, pool_, at_isa(isa));
    const std::vector<float> whole = logits_of(*model, input_);
    Session session(*model);
    std::vector<float> parts;
    for (const TokenId token : input_) {
      const std::vector<float> one = logits_of(session, {token});
      parts.insert(parts.end(), one.begin(), one.end());
    }
    EXPECT_TRUE(parts == whole) << isa;
  }
}

TEST_P(Decoder, LogitsOfTheLastRowsOnly) {
  const auto model = Model::open(path_, pool_);
  const std::size_t vocab = model->spec().vocab;
  const std::vector<float> whole = logits_of(*model, input_);
  for (const std::size_t rows : {1u, 9u}) {
    Session session(*model, options(7));
    std::vector<float> last(rows * vocab);
    session.append(input_, rows, last.data());
    EXPECT_TRUE(std::equal(last.begin(), last.end(),
                           whole.end() - static_cast<std::ptrdiff_t>(rows * vocab)))
        << rows;
  }
}

TEST_P(Decoder, SmallerCachesStayClose) {
  const auto model = Model::open(path_, pool_);
  const std::vector<float> exact = logits_of(*model, input_, options(512, DType::f32));
  Session f32(*model, options(512, DType::f32));
  Session f16(*model, options(512, DType::f16));
  EXPECT_EQ(f32.kv_bytes(), 2 * f16.kv_bytes());
  EXPECT_LT(error_in_deviations(exact, logits_of(f16, input_)), 0.01);
  if (model->spec().decoder->head_dim % 32 == 0) {
    Session q8(*model, options(512, DType::q8_0));
    EXPECT_LT(q8.kv_bytes(), f16.kv_bytes());
    EXPECT_LT(error_in_deviations(exact, logits_of(q8, input_)), 0.25);
  } else {
    EXPECT_THAT(outcome_of([&] { Session(*model, options(512, DType::q8_0)); }),
                AllOf(StartsWith("usage"), HasSubstr("32"), HasSubstr("16")));
  }
}

TEST_P(Decoder, RewindingForgets) {
  const auto model = Model::open(path_, pool_);
  const std::vector<float> whole = logits_of(*model, input_);
  Session session(*model);
  logits_of(session, input_);
  EXPECT_EQ(session.position(), input_.size());
  session.rewind(11);
  EXPECT_EQ(session.position(), 11u);
  logits_of(session, {5, 6, 7});  // another continuation
  session.rewind(11);
  const std::vector<float> rest = logits_of(session, {input_.begin() + 11, input_.end()});
  EXPECT_TRUE(
      std::equal(rest.begin(), rest.end(), whole.end() - static_cast<std::ptrdiff_t>(rest.size())));
  session.rewind(99);  // beyond the end: nothing
  EXPECT_EQ(session.position(), input_.size());
}

TEST_P(Decoder, SaysBothNumbersWhereTheContextIsFull) {
  const auto model = Model::open(path_, pool_);
  SessionOptions small;
  small.context = 16;
  Session session(*model, small);
  EXPECT_EQ(session.context(), 16u);
  EXPECT_THAT(outcome_of([&] { session.append(input_, 0, nullptr); }),
              AllOf(StartsWith("usage"), HasSubstr("40"), HasSubstr("16")));
  EXPECT_EQ(session.position(), 0u);  // nothing was read
  session.append({input_.data(), 16}, 0, nullptr);
  EXPECT_THAT(outcome_of([&] {
                session.append({input_.data(), 1}, 0, nullptr);
              }),
              AllOf(StartsWith("usage"), HasSubstr("17"), HasSubstr("16")));
}

TEST_P(Decoder, RefusesTokensOutsideTheVocabulary) {
  const auto model = Model::open(path_, pool_);
  Session session(*model);
  for (const TokenId id : {-1, 384}) {
    EXPECT_THAT(outcome_of([&] {
                  session.append({&id, 1}, 0, nullptr);
                }),
                AllOf(StartsWith("usage"), HasSubstr(std::to_string(id)), HasSubstr("384")));
  }
}

INSTANTIATE_TEST_SUITE_P(Models, Decoder, testing::ValuesIn(decoder_models()),
                         [](const auto& param) {
                           std::string name = param.param;
                           std::replace(name.begin(), name.end(), '-', '_');
                           return name;
                         });

TEST(Session, LearnedPositionsAreAHardLimit) {
  ThreadPool pool(1);
  const auto model = Model::open(model_path("gpt2"), pool);
  const std::uint64_t positions = model->spec().learned_positions;
  SessionOptions options;
  options.context = positions + 1;
  EXPECT_THAT(outcome_of([&] { Session(*model, options); }),
              AllOf(StartsWith("usage"), HasSubstr(std::to_string(positions)),
                    HasSubstr(std::to_string(positions + 1))));
}

TEST(Session, EncodersAndDecodersSayWhatTheyLack) {
  ThreadPool pool(1);
  const auto bert = Model::open(model_path("bert"), pool);
  const auto llama = Model::open(model_path("llama"), pool);
  const TokenId token = 5;
  EXPECT_THAT(outcome_of([&] {
                Session(*bert).append({&token, 1}, 0, nullptr);
              }),
              HasSubstr("no decoder"));
  EXPECT_THAT(outcome_of([&] {
                Session(*llama).encode({&token, 1}, {});
              }),
              HasSubstr("no encoder"));
  Session session(*bert);
  const std::vector<TokenId> tokens = {5, 6};
  EXPECT_THAT(outcome_of([&] { session.encode(tokens, std::vector<std::uint8_t>{1}); }),
              HasSubstr("mask"));
  EXPECT_THAT(outcome_of([&] { session.encode({}, {}); }), StartsWith("usage"));
}

// Tokens behind a mask do not count, however many and whatever they are.
TEST(Session, MaskedTokensDoNotCount) {
  ThreadPool pool(2);
  for (const char* name : {"bert", "t5"}) {
    const auto model = Model::open(model_path(name), pool);
    const std::size_t width = model->spec().width;
    Session session(*model);
    const std::vector<TokenId> tokens = {5, 6, 7, 8, 9};
    const auto plain = session.encode(tokens, {});
    const std::vector<float> expected(plain.begin(), plain.end());
    const std::vector<TokenId> padded = {5, 6, 7, 8, 9, 100, 101};
    const auto hidden = session.encode(padded, std::vector<std::uint8_t>{1, 1, 1, 1, 1, 0, 0});
    const std::vector<float> actual(hidden.begin(),
                                    hidden.begin() + static_cast<std::ptrdiff_t>(5 * width));
    EXPECT_LT(error_in_deviations(expected, actual), kGoldenBound) << name;
  }
}

TEST(DefaultContext, IsWhatFits) {
  ModelSpec spec = ModelFiles(model_path("llama")).spec();
  constexpr std::uint64_t kPlenty = std::uint64_t{1} << 40;
  EXPECT_EQ(default_context(spec, DType::f16, kPlenty), spec.context_length);
  spec.context_length = 131072;
  EXPECT_EQ(default_context(spec, DType::f16, kPlenty), kDefaultContext);
  // Half of the free memory is for the cache.
  const std::uint64_t need = KvCache::bytes(*spec.decoder, 4096, DType::f16);
  EXPECT_EQ(default_context(spec, DType::f16, 2 * need), 4096u);
  EXPECT_EQ(default_context(spec, DType::f16, 2 * need - 1), 2048u);
  EXPECT_EQ(default_context(spec, DType::f16, 0), 64u);  // but something
}

}  // namespace
}  // namespace halfbyte
