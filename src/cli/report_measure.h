// The figures of one model in a report: size, divergence, perplexity, speed, answers.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "base/json.h"
#include "runtime/model.h"
#include "tokenizer/tokenizer.h"

namespace halfbyte {

// One model of a report.
struct Variant {
  std::string role;   // "source", "result", "rtn"
  std::string label;  // as the page calls it
  std::string path;
};

// What all variants are measured on.
struct MeasureInputs {
  const Model& source;
  const Tokenizer* tokenizer;   // nullptr: nothing that takes text
  std::vector<TokenId> tokens;  // to score, none: no divergence, no perplexity
};

// {role, label, bytes, bits_per_weight, prefill_tok_s, decode_tok_s, divergence {mean, median, p99,
// top1_agreement}, perplexity: [{convention, ctx, chunks, tokens, value, stderr}], texts}. What a
// model cannot do (an encoder does not write, a short text fills no chunk) is null or empty.
Json measure(const Variant& variant, const Model& model, const MeasureInputs& inputs);

// The prompts whose answers `texts` holds, in order.
const std::vector<std::string>& report_prompts();

}  // namespace halfbyte
