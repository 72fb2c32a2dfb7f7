// Choosing the next token from logits.
//
// Order: repetition penalty, temperature, top-k, top-p, min-p, then a draw. Temperature 0 takes the
// largest (the smaller id of equals).
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "tokenizer/tokenizer.h"

namespace halfbyte {

struct SamplingOptions {
  float temperature = 0.8f;
  std::uint32_t top_k = 40;  // 0: all
  float top_p = 0.95f;       // 1: all
  float min_p = 0.05f;       // 0: all; else tokens below min_p times the best one's probability go
  float repeat_penalty = 1.0f;     // 1: none (Keskar et al. 2019)
  std::uint32_t repeat_last = 64;  // tokens that the penalty looks back at
  std::uint64_t seed = 0;
};

class Sampler {
 public:
  explicit Sampler(const SamplingOptions& options);
  // `history` is the prompt and what has been generated. Same seed, same logits: same tokens.
  TokenId sample(std::span<const float> logits, std::span<const TokenId> history);

 private:
  struct Candidate {
    TokenId id;
    float value;
  };
  double uniform();
  void penalize(std::span<const TokenId> history);
  void keep_best();

  SamplingOptions options_;
  std::uint64_t state_;
  std::vector<float> values_;
  std::vector<Candidate> candidates_;
};

}  // namespace halfbyte
