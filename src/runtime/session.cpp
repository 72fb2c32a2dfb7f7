#include "runtime/session.h"

#include <algorithm>
#include <cstdlib>
#include <fstream>
#include <string>

#include <fmt/format.h>
#include <unistd.h>

#include "base/error.h"

namespace halfbyte {

namespace {

// What programs can get without swapping: pages that only hold files, such as the model's own after
// it was read, count as free.
std::uint64_t free_memory() {
  std::ifstream info("/proc/meminfo");
  for (std::string line; std::getline(info, line);) {
    constexpr std::string_view kKey = "MemAvailable:";
    if (line.starts_with(kKey)) return std::strtoull(&line[kKey.size()], nullptr, 10) * 1024;
  }
  const long pages = ::sysconf(_SC_AVPHYS_PAGES);
  const long size = ::sysconf(_SC_PAGE_SIZE);
  return pages > 0 && size > 0
             ? static_cast<std::uint64_t>(pages) * static_cast<std::uint64_t>(size)
             : 0;
}

// Positions that the model can tell apart at all; 0 = any number.
std::uint64_t hard_limit(const ModelSpec& spec) {
  return spec.learned_positions;
}

}  // namespace

std::uint64_t default_context(const ModelSpec& spec, DType kv, std::uint64_t free_bytes) {
  std::uint64_t context = std::min<std::uint64_t>(spec.context_length, kDefaultContext);
  if (hard_limit(spec) != 0) context = std::min(context, hard_limit(spec));
  if (!spec.decoder) return context;
  while (context > 64 && KvCache::bytes(*spec.decoder, context, kv) > free_bytes / 2) context /= 2;
  return context;
}

Session::Session(const Model& model, const SessionOptions& options) : model_(model) {
  const ModelSpec& spec = model.spec();
  const DType kv = options.kv.value_or(model.is_full_precision() ? DType::f32 : DType::f16);
  context_ = options.context != 0 ? options.context : default_context(spec, kv, free_memory());
  if (hard_limit(spec) != 0 && context_ > hard_limit(spec)) {
    fail_usage(fmt::format("a context of {} tokens was asked for, the model has positions for {}",
                           context_, hard_limit(spec)));
  }
  if (context_ > std::uint64_t{1} << 27)
    fail_usage(fmt::format("a context of {} tokens is too long", context_));
  const std::uint64_t rows = std::min(context_, std::max<std::uint64_t>(1, options.chunk));
  // An encoder reads its whole text at once.
  workspace_.emplace(model.plan(), spec.encoder ? context_ : rows, context_, model.pool().size());
  if (spec.decoder) cache_ = KvCache(*spec.decoder, context_, kv);
  ropes_ = RopeTable(model.plan().decoder.spec);
  encoder_ropes_ = RopeTable(model.plan().encoder.spec);
}

void Session::rewind(std::uint64_t position) {
  position_ = std::min(position, position_);
  // Dynamic scaling depends on how long the text has been.
  if (position_ == 0) ropes_.reset();
}

void Session::check_tokens(std::span<const TokenId> tokens) const {
  for (const TokenId token : tokens) {
    if (token < 0 || static_cast<std::uint64_t>(token) >= model_.spec().vocab) {
      fail_usage(
          fmt::format("token {} is not in the vocabulary of {}", token, model_.spec().vocab));
    }
  }
}

Pass Session::pass(const StackPlan& stack, const RopeTable& ropes,
                   std::span<const TokenId> tokens) {
  Pass p{model_, *workspace_, stack};
  p.rows = tokens.size();
  p.tokens = tokens.data();
  p.ropes = &ropes;
  p.profile = profile_;
  return p;
}

void Session::append(std::span<const TokenId> tokens, std::uint64_t logit_rows, float* logits,
                     std::optional<Phase> phase) {
  const Plan& plan = model_.plan();
  if (plan.decoder.steps.empty()) fail_usage("this model has no decoder");
  if (logits != nullptr && plan.head == kNoWeight) fail_usage("this model gives no logits");
  check_tokens(tokens);
  if (position_ + tokens.size() > context_) {
    fail_usage(fmt::format("{} tokens do not fit in the context of {} (see --ctx)",
                           position_ + tokens.size(), context_));
  }
  const std::uint64_t end = position_ + tokens.size();
  ropes_.extend(end, end);
  if (plan.decoder.relative_bias != kNoWeight && decoder_bias_.values.empty()) {
    decoder_bias_ = make_relative_bias(
        plan.decoder.spec, model_.weights()[plan.decoder.relative_bias].vector, context_);
  }
  const std::uint64_t first_logit =
      tokens.size() - std::min<std::uint64_t>(logit_rows, tokens.size());
  const std::uint64_t chunk = workspace_->max_rows();
  for (std::uint64_t begin = 0; begin < tokens.size(); begin += chunk) {
    const std::uint64_t rows = std::min(chunk, tokens.size() - begin);
    Pass p = pass(plan.decoder, ropes_, tokens.subspan(begin, rows));
    p.phase = phase.value_or(tokens.size() > 1 ? Phase::prefill : Phase::decode);
    p.first_position = position_;
    p.cache = &cache_;
    p.bias = decoder_bias_.values.empty() ? nullptr : &decoder_bias_;
    p.cross = {cross_.data(), cross_length_,
               2 * std::uint64_t{plan.decoder.spec.kv_heads} * plan.decoder.spec.head_dim,
               mask_.empty() ? nullptr : mask_.data()};
    LogitRequest request;
    if (logits != nullptr && begin + rows > first_logit) {
      request.first = std::max(begin, first_logit) - begin;
      request.logits = logits + (begin + request.first - first_logit) * plan.spec.vocab;
    }
    run_pass(p, request);
    position_ += rows;
  }
}

std::span<const float> Session::encode(std::span<const TokenId> tokens,
                                       std::span<const std::uint8_t> mask) {
  const Plan& plan = model_.plan();
  if (plan.encoder.steps.empty()) fail_usage("this model has no encoder");
  check_tokens(tokens);
  if (tokens.empty() || tokens.size() > context_) {
    fail_usage(fmt::format("a text of {} tokens does not fit in the context of {}", tokens.size(),
                           context_));
  }
  if (!mask.empty() && mask.size() != tokens.size())
    fail_usage("the mask and the tokens differ in length");
  mask_.assign(mask.begin(), mask.end());
  encoder_ropes_.reset();  // dynamic scaling: each text has a length of its own
  encoder_ropes_.extend(tokens.size(), tokens.size());
  Pass p = pass(plan.encoder, encoder_ropes_, tokens);
  p.key_mask = mask_.empty() ? nullptr : mask_.data();
  if (plan.encoder.relative_bias != kNoWeight) {
    encoder_bias_ = make_relative_bias(
        plan.encoder.spec, model_.weights()[plan.encoder.relative_bias].vector, tokens.size());
    p.bias = &encoder_bias_;
  }
  run_pass(p, {});
  const float* hidden = workspace_->buffer(Buffer::residual);
  encoded_.assign(hidden, hidden + tokens.size() * plan.spec.width);
  rewind(0);
  if (!plan.decoder.steps.empty()) remember_encoded(tokens.size());
  return encoded_;
}

void Session::remember_encoded(std::uint64_t length) {
  const StackPlan& decoder = model_.plan().decoder;
  const std::uint64_t row = 2 * std::uint64_t{decoder.spec.kv_heads} * decoder.spec.head_dim;
  cross_.resize(decoder.spec.layers.size() * length * row);
  cross_length_ = length;
  Pass p = pass(decoder, ropes_, {});
  p.cross = {cross_.data(), length, row, nullptr};
  run_cross_store(p, encoded_.data());
}

}  // namespace halfbyte
