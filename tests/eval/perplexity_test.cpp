// Perplexity: against sums over logits taken one window at a time, conventions, divergence.
#include "eval/perplexity.h"

#include <cmath>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "support/goldens.h"
#include "support/toy_tokenizer.h"

namespace halfbyte {
namespace {

using namespace test;
using testing::AllOf;
using testing::HasSubstr;
using testing::StartsWith;

std::vector<TokenId> some_tokens(std::size_t count) {
  std::vector<TokenId> tokens;
  std::uint32_t state = 1;
  for (std::size_t i = 0; i < count; ++i) {
    state = state * 1664525 + 1013904223;
    tokens.push_back(static_cast<TokenId>(3 + (state >> 16) % 256));
  }
  return tokens;
}

// -log of the probability of each next token, all positions of one window.
std::vector<double> surprises(const Model& model, const std::vector<TokenId>& window) {
  const std::size_t vocab = model.spec().vocab;
  std::vector<float> logits(window.size() * vocab);
  SessionOptions options;
  options.context = window.size();
  Session(model, options).append(window, window.size(), logits.data());
  std::vector<double> result;
  for (std::size_t i = 0; i + 1 < window.size(); ++i) {
    const float* row = logits.data() + i * vocab;
    double sum = 0.0;
    for (std::size_t id = 0; id < vocab; ++id) sum += std::exp(double{row[id]});
    result.push_back(std::log(sum) - row[window[i + 1]]);
  }
  return result;
}

class Perplexity : public testing::Test {
 protected:
  static Tokenizer tokenizer(bool bos) {
    Json config = parse_json(toy_tokenizer_config(), "toy");
    config["add_bos_token"] = bos;
    Json json = parse_json(toy_tokenizer_json(), "toy");
    if (bos) {
      json["post_processor"] = {
          {"type", "TemplateProcessing"},
          {"single",
           {{{"SpecialToken", {{"id", "<s>"}, {"type_id", 0}}}},
            {{"Sequence", {{"id", "A"}, {"type_id", 0}}}}}},
          {"pair", Json::array()},
          {"special_tokens", {{"<s>", {{"id", "<s>"}, {"ids", {1}}, {"tokens", {"<s>"}}}}}}};
    }
    return Tokenizer::from_json(json.dump(), config.dump(), "toy");
  }
  static EvalOptions options(std::uint64_t context, Convention convention) {
    EvalOptions result;
    result.context = context;
    result.convention = convention;
    return result;
  }

  ThreadPool pool_{2};
  std::unique_ptr<Model> model_ = Model::open(model_path("llama"), pool_);
};

TEST_F(Perplexity, LlamacppScoresSecondHalves) {
  const std::vector<TokenId> tokens = some_tokens(3 * 64 + 10);
  const EvalResult result =
      evaluate(*model_, nullptr, tokenizer(false), tokens, options(64, Convention::llamacpp));
  EXPECT_EQ(result.chunks, 3u);
  EXPECT_EQ(result.tokens, 3u * 31u);
  std::vector<double> all;
  for (std::size_t chunk = 0; chunk < 3; ++chunk) {
    const auto begin = tokens.begin() + static_cast<std::ptrdiff_t>(chunk * 64);
    const auto window = surprises(*model_, {begin, begin + 64});
    double sum = 0.0;
    for (std::size_t i = 32; i < window.size(); ++i) sum += window[i];
    EXPECT_NEAR(result.chunk_perplexity[chunk], std::exp(sum / 31), 1e-3) << chunk;
    all.insert(all.end(), window.begin() + 32, window.end());
  }
  double sum = 0.0;
  double squares = 0.0;
  for (const double x : all) {
    sum += x;
    squares += x * x;
  }
  const double mean = sum / 93;
  EXPECT_NEAR(result.perplexity / std::exp(mean), 1.0, 1e-5);
  const double deviation = std::sqrt((squares / 93 - mean * mean) / 92);
  EXPECT_NEAR(result.perplexity_stderr / (deviation * std::exp(mean)), 1.0, 1e-4);
}

TEST_F(Perplexity, ChunksOf512Score255) {
  SCOPED_TRACE("the model's context is 256: longer chunks run on");
  const EvalResult result = evaluate(*model_, nullptr, tokenizer(false), some_tokens(1100),
                                     options(512, Convention::llamacpp));
  EXPECT_EQ(result.chunks, 2u);
  EXPECT_EQ(result.tokens, 2u * 255u);
}

TEST_F(Perplexity, GptqScoresAllButTheFirst) {
  const std::vector<TokenId> tokens = some_tokens(130);
  const EvalResult result =
      evaluate(*model_, nullptr, tokenizer(false), tokens, options(128, Convention::gptq));
  EXPECT_EQ(result.tokens, 127u);
  double sum = 0.0;
  for (const double x : surprises(*model_, {tokens.begin(), tokens.begin() + 128})) sum += x;
  EXPECT_NEAR(result.perplexity / std::exp(sum / 127), 1.0, 1e-5);
}

TEST_F(Perplexity, BosTakesTheFirstPlaceOfEachChunk) {
  const std::vector<TokenId> tokens = some_tokens(127);
  const Tokenizer with_bos = tokenizer(true);
  ASSERT_TRUE(with_bos.adds_bos());
  const EvalResult result =
      evaluate(*model_, nullptr, with_bos, tokens, options(64, Convention::llamacpp));
  EXPECT_EQ(result.chunks, 2u);  // BOS makes it 128
  std::vector<TokenId> text = {1};
  text.insert(text.end(), tokens.begin(), tokens.end());
  std::vector<TokenId> second(text.begin() + 64, text.end());
  second[0] = 1;
  double sum = 0.0;
  const std::vector<double> window = surprises(*model_, second);
  for (std::size_t i = 32; i < window.size(); ++i) sum += window[i];
  EXPECT_NEAR(result.chunk_perplexity[1] / std::exp(sum / 31), 1.0, 1e-5);
}

TEST_F(Perplexity, ChunksLimitWhatIsScored) {
  EvalOptions two = options(64, Convention::llamacpp);
  two.chunks = 2;
  const EvalResult result = evaluate(*model_, nullptr, tokenizer(false), some_tokens(1000), two);
  EXPECT_EQ(result.chunks, 2u);
  EXPECT_EQ(result.chunk_perplexity.size(), 2u);
}

// A head of zeros gives every token the same probability.
TEST_F(Perplexity, UniformModelHasTheVocabularyAsPerplexity) {
  const TemporaryFolder folder;
  fs::copy(model_path("llama"), folder / "m");
  fs::remove(folder / "m/model.safetensors");
  const SafetensorsFile source = SafetensorsFile::open(model_path("llama/model.safetensors"));
  {
    AtomicFile out(folder / "m/model.safetensors");
    std::vector<SafetensorsWriter::Tensor> tensors;
    for (const TensorView& t : source.tensors()) tensors.push_back({t.name, t.dtype, t.shape});
    SafetensorsWriter writer(out.file(), tensors);
    for (const TensorView& t : source.tensors()) {
      const std::vector<std::byte> zeros(t.data.size());
      writer.write(t.name == "lm_head.weight" ? ByteView(zeros) : t.data);
    }
    writer.finish();
    out.commit();
  }
  const auto uniform = Model::open(folder / "m", pool_);
  const EvalResult result = evaluate(*uniform, model_.get(), tokenizer(false), some_tokens(64),
                                     options(64, Convention::gptq));
  EXPECT_NEAR(result.perplexity, 384.0, 1e-3);
  EXPECT_NEAR(result.perplexity_stderr, 0.0, 1e-3);
  ASSERT_TRUE(result.divergence);
  EXPECT_GT(result.divergence->mean, 0.0);
  EXPECT_GE(result.divergence->p99, result.divergence->median);
  EXPECT_NE(result.divergence->ref_perplexity, result.perplexity);
}

TEST_F(Perplexity, AModelDoesNotDivergeFromItself) {
  const auto twin = Model::open(model_path("llama"), pool_);
  const EvalResult result = evaluate(*model_, twin.get(), tokenizer(false), some_tokens(200),
                                     options(64, Convention::llamacpp));
  ASSERT_TRUE(result.divergence);
  EXPECT_EQ(result.divergence->mean, 0.0);
  EXPECT_EQ(result.divergence->p99, 0.0);
  EXPECT_EQ(result.divergence->top1_agreement, 1.0);
  EXPECT_EQ(result.divergence->ref_perplexity, result.perplexity);
}

TEST_F(Perplexity, RefusesWhatItCannotScore) {
  const auto outcome = [&](const Model& model, const Model* reference, std::size_t tokens,
                           std::uint64_t context) {
    return outcome_of([&] {
      evaluate(model, reference, tokenizer(false), some_tokens(tokens),
               options(context, Convention::llamacpp));
    });
  };
  EXPECT_THAT(outcome(*model_, nullptr, 50, 64),
              AllOf(StartsWith("usage"), HasSubstr("50"), HasSubstr("64")));
  EXPECT_THAT(outcome(*model_, nullptr, 50, 2), StartsWith("usage"));
  const auto bert = Model::open(model_path("bert"), pool_);
  EXPECT_THAT(outcome(*bert, nullptr, 100, 64), StartsWith("usage"));
  const TemporaryFolder folder;
  const auto other = Model::open(model_path("variants/qwen2"), pool_);
  EXPECT_THAT(outcome(*model_, other.get(), 100, 64),
              AllOf(StartsWith("usage"), HasSubstr("256"), HasSubstr("384")));
}

}  // namespace
}  // namespace halfbyte
