#include "runtime/session.h"

#include <algorithm>

#include <fmt/format.h>

#include "base/error.h"

namespace halfbyte {

namespace {

// An encoder reads its whole text at once.
std::uint64_t pass_rows(const Model& model, std::uint64_t context, std::uint64_t chunk) {
  return model.spec().encoder ? context : std::min(context, std::max<std::uint64_t>(1, chunk));
}

}  // namespace

Session::Session(const Model& model, const SessionOptions& options)
    : model_(model),
      sequence_(model, options.context, options.kv),
      batch_(model, pass_rows(model, sequence_.context(), options.chunk), sequence_.context()),
      encoder_ropes_(model.plan().encoder.spec) {}

std::span<const float> Session::encode(std::span<const TokenId> tokens,
                                       std::span<const std::uint8_t> mask) {
  const Plan& plan = model_.plan();
  if (plan.encoder.steps.empty()) fail_usage("this model has no encoder");
  check_tokens(plan.spec, tokens);
  if (tokens.empty() || tokens.size() > context()) {
    fail_usage(fmt::format("a text of {} tokens does not fit in the context of {}", tokens.size(),
                           context()));
  }
  if (!mask.empty() && mask.size() != tokens.size())
    fail_usage("the mask and the tokens differ in length");
  encoder_ropes_.reset();  // dynamic scaling: each text has a length of its own
  encoder_ropes_.extend(tokens.size(), tokens.size());
  Segment segment;
  segment.rows = tokens.size();
  segment.ropes = &encoder_ropes_;
  segment.key_mask = mask.empty() ? nullptr : mask.data();
  if (plan.encoder.relative_bias != kNoWeight) {
    encoder_bias_ = make_relative_bias(
        plan.encoder.spec, model_.weights()[plan.encoder.relative_bias].vector, tokens.size());
    segment.bias = &encoder_bias_;
  }
  Pass pass{model_.view(), batch_.workspace(), plan.encoder};
  pass.rows = tokens.size();
  pass.tokens = tokens.data();
  pass.segments = {&segment, 1};
  run_pass(pass, {});
  const float* hidden = batch_.workspace().buffer(Buffer::residual);
  encoded_.assign(hidden, hidden + tokens.size() * plan.spec.width);
  if (!plan.decoder.steps.empty()) {
    const Pass into_decoder{model_.view(), batch_.workspace(), plan.decoder};
    run_cross_store(into_decoder, sequence_.start_after(tokens.size(), mask), encoded_.data());
  }
  return encoded_;
}

}  // namespace halfbyte
