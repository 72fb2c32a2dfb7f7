// Running golden models: what they give for their golden's input.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "runtime/session.h"
#include "support/goldens.h"

namespace halfbyte::test {

inline LoadOptions at_isa(std::string_view level) {
  LoadOptions options;
  options.features = mask_to_isa(detect_cpu_features(), level);
  return options;
}

// Levels that change something on this machine.
inline std::vector<std::string> usable_isas() {
  std::vector<std::string> levels;
  std::vector<CpuFeatures> seen;
  for (const std::string_view level : isa_levels()) {
    const CpuFeatures features = mask_to_isa(detect_cpu_features(), level);
    if (std::find(seen.begin(), seen.end(), features) != seen.end()) continue;
    seen.push_back(features);
    levels.emplace_back(level);
  }
  return levels;
}

// Logits of each of the tokens, [tokens, vocab].
inline std::vector<float> logits_of(Session& session, const std::vector<TokenId>& tokens) {
  std::vector<float> logits(tokens.size() * session.model().spec().vocab);
  session.append(tokens, tokens.size(), logits.data());
  return logits;
}

inline std::vector<float> logits_of(const Model& model, const std::vector<TokenId>& tokens,
                                    const SessionOptions& options = {}) {
  Session session(model, options);
  return logits_of(session, tokens);
}

// The whole output of the golden's batch, as the golden's tensor has it.
inline std::vector<float> output_of(const Model& model, const TensorFile& golden) {
  std::vector<float> all;
  Session session(model);
  for (std::size_t row = 0; row < golden.shape("input_ids")[0]; ++row) {
    const std::vector<TokenId> input = golden.row("input_ids", row);
    session.rewind(0);
    std::vector<float> part;
    if (model.spec().encoder) {
      const auto hidden = session.encode(input, golden.row<std::uint8_t>("attention_mask", row));
      part.assign(hidden.begin(), hidden.end());
    }
    if (model.spec().decoder) {
      part = logits_of(session,
                       golden.row(model.spec().encoder ? "decoder_input_ids" : "input_ids", row));
    }
    all.insert(all.end(), part.begin(), part.end());
  }
  return all;
}

inline double golden_error(const Model& model, const TensorFile& golden) {
  const std::string_view name = output_name(golden);
  std::vector<std::int64_t> mask;
  if (name == "hidden") mask = golden.ints("attention_mask");
  return error_in_deviations(golden.floats(name), output_of(model, golden), mask,
                             golden.shape(name)[2]);
}

inline TokenId likeliest(const float* logits, std::size_t vocab) {
  return static_cast<TokenId>(std::max_element(logits, logits + vocab) - logits);
}

// `count` tokens after `tokens`, which the session reads first.
inline std::vector<TokenId> greedy(Session& session, std::vector<TokenId> tokens,
                                   std::size_t count) {
  std::vector<TokenId> result;
  std::vector<float> logits(session.model().spec().vocab);
  while (result.size() < count) {
    session.append(tokens, 1, logits.data());
    tokens = {likeliest(logits.data(), logits.size())};
    result.push_back(tokens[0]);
  }
  return result;
}

}  // namespace halfbyte::test
