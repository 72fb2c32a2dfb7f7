// Continuing a prompt: prefill, then token by token until an end, a stop string or a limit.
#pragma once

#include <cstdint>
#include <functional>
#include <span>
#include <string>
#include <vector>

#include "runtime/sampler.h"
#include "runtime/session.h"

namespace halfbyte {

struct GenerateOptions {
  std::uint64_t max_tokens = 256;
  SamplingOptions sampling;
  std::vector<std::string> stop;  // the text ends before the first of these
  bool ignore_end = false;        // go on past end tokens
  // Reads ahead what the text so far suggests (runtime/lookup.h). The tokens are the same.
  bool lookup = false;
  std::span<const TokenId> earlier = {};  // what the session holds already, for lookup
};

enum class FinishReason { stop, length };

struct Generation {
  std::string text;
  std::vector<TokenId> tokens;  // generated, without the end token
  FinishReason finish = FinishReason::length;
  std::uint64_t prompt_tokens = 0;
  double prefill_seconds = 0.0;
  double decode_seconds = 0.0;
  std::uint64_t decoded = 0;   // tokens that the time was for
  std::uint64_t drafted = 0;   // tokens that were read ahead,
  std::uint64_t accepted = 0;  // and those of them that were generated
};

// Called with each piece of text as it becomes final; returning false interrupts.
using TextSink = std::function<bool(std::string_view)>;

// Reads `prompt` into the session (after what it holds already) and continues it. Encoder-decoder
// models read the prompt with the encoder. Fails with kUsage where the prompt does not fit.
Generation generate(Session& session, const Tokenizer& tokenizer, std::span<const TokenId> prompt,
                    const GenerateOptions& options, const TextSink& sink = {});

// The model's tokenizer; fails with kMalformed where it brings none.
Tokenizer need_tokenizer(const Model& model);

// Ids that end a reply: the tokenizer's and the model's.
std::vector<TokenId> end_tokens(const Model& model, const Tokenizer& tokenizer);

}  // namespace halfbyte
