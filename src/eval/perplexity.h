// Perplexity of a text, and how far a model's predictions are from a reference model's.
//
// Conventions, which are not comparable with each other:
//   llamacpp  chunks of ctx tokens, each with BOS in its first place where the tokenizer adds one;
//             the second half of each chunk is scored
//   gptq      the text is tokenized once; windows of ctx tokens without overlap, every token but a
//             window's first is scored (Frantar et al. 2022)
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string_view>
#include <vector>

#include "base/log.h"
#include "runtime/model.h"
#include "runtime/session.h"

namespace halfbyte {

enum class Convention { llamacpp, gptq };

struct EvalOptions {
  std::uint64_t context = 512;
  std::uint64_t chunks = 0;  // 0: all that the text gives
  Convention convention = Convention::llamacpp;
  std::optional<DType> kv;
  ProgressSink progress;
};

// Kullback-Leibler divergence of the model's distribution from the reference's, in nats a token.
struct Divergence {
  double mean = 0.0;
  double median = 0.0;
  double p99 = 0.0;
  double top1_agreement = 0.0;  // share of tokens whose likeliest token is the same
  double ref_perplexity = 0.0;
};

struct EvalResult {
  double perplexity = 0.0;
  double perplexity_stderr = 0.0;
  std::uint64_t tokens = 0;  // scored
  std::uint64_t chunks = 0;
  double seconds = 0.0;
  std::vector<double> chunk_perplexity;  // of each chunk alone
  std::optional<Divergence> divergence;
};

// `tokens` is the whole text without special tokens. With `reference` both models score the same
// tokens (they must share a vocabulary). Fails with kUsage where the text is shorter than a chunk.
EvalResult evaluate(const Model& model, const Model* reference, const Tokenizer& tokenizer,
                    std::span<const TokenId> tokens, const EvalOptions& options);

}  // namespace halfbyte
