#include "runtime/batch.h"

#include <algorithm>

#include <fmt/format.h>

#include "base/error.h"

namespace halfbyte {

Batch::Batch(const Model& model, std::uint64_t rows, std::uint64_t context)
    : model_(model),
      context_(context),
      workspace_(model.plan(), rows, context, model.pool().size()) {}

void Batch::check(const Sequence& sequence, std::span<const TokenId> tokens,
                  bool wants_logits) const {
  const Plan& plan = model_.plan();
  if (plan.decoder.steps.empty()) fail_usage("this model has no decoder");
  if (wants_logits && plan.head == kNoWeight) fail_usage("this model gives no logits");
  if (sequence.context() > context_) {
    fail_usage(fmt::format("a sequence with a context of {} in a batch for {}", sequence.context(),
                           context_));
  }
  check_tokens(plan.spec, tokens);
  sequence.check_room(tokens.size());
}

Pass Batch::pass(std::span<const TokenId> tokens, std::span<const Segment> segments, Phase phase) {
  return {model_.view(), workspace_, model_.plan().decoder, phase, tokens.size(), tokens.data(),
          segments,      profile_};
}

void Batch::append(Sequence& sequence, std::span<const TokenId> tokens, std::uint64_t logit_rows,
                   float* logits, std::optional<Phase> phase) {
  check(sequence, tokens, logits != nullptr);
  const Phase said = phase.value_or(tokens.size() > 1 ? Phase::prefill : Phase::decode);
  sequence.prepare(tokens.size(), said);
  const std::uint64_t first_logit =
      tokens.size() - std::min<std::uint64_t>(logit_rows, tokens.size());
  const std::uint64_t chunk = workspace_.max_rows();
  for (std::uint64_t begin = 0; begin < tokens.size(); begin += chunk) {
    const std::uint64_t rows = std::min(chunk, tokens.size() - begin);
    LogitRequest request;
    if (logits != nullptr && begin + rows > first_logit) {
      request.first = std::max(begin, first_logit) - begin;
      request.logits = logits + (begin + request.first - first_logit) * model_.spec().vocab;
    }
    const Segment segment = sequence.segment(0, rows);
    run_pass(pass(tokens.subspan(begin, rows), {&segment, 1}, said), request);
    sequence.advance(rows);
  }
}

void Batch::decode(std::span<const Turn> turns, float* logits) {
  tokens_.clear();
  segments_.clear();
  std::vector<const Sequence*> seen;
  for (const Turn& turn : turns) {
    check(*turn.sequence, turn.tokens, logits != nullptr);
    if (std::find(seen.begin(), seen.end(), turn.sequence) != seen.end())
      fail_usage("a sequence comes twice in one pass");
    seen.push_back(turn.sequence);
    tokens_.insert(tokens_.end(), turn.tokens.begin(), turn.tokens.end());
  }
  if (tokens_.size() > workspace_.max_rows()) {
    fail_usage(fmt::format("{} tokens in one pass of a batch for {}", tokens_.size(),
                           workspace_.max_rows()));
  }
  for (const Turn& turn : turns) turn.sequence->prepare(turn.tokens.size(), Phase::decode);
  std::uint64_t row = 0;
  for (const Turn& turn : turns) {
    if (turn.tokens.empty()) continue;
    segments_.push_back(turn.sequence->segment(row, turn.tokens.size()));
    row += turn.tokens.size();
  }
  if (row == 0) return;
  run_pass(pass(tokens_, segments_, Phase::decode), {0, logits});
  for (const Turn& turn : turns) turn.sequence->advance(turn.tokens.size());
}

}  // namespace halfbyte
