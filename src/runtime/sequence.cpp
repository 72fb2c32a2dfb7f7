#include "runtime/sequence.h"

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

void check_tokens(const ModelSpec& spec, std::span<const TokenId> tokens) {
  for (const TokenId token : tokens) {
    if (token < 0 || static_cast<std::uint64_t>(token) >= spec.vocab)
      fail_usage(fmt::format("token {} is not in the vocabulary of {}", token, spec.vocab));
  }
}

Sequence::Sequence(const Model& model, std::uint64_t context, std::optional<DType> kv)
    : model_(&model), ropes_(model.plan().decoder.spec) {
  const ModelSpec& spec = model.spec();
  const DType dtype = kv.value_or(model.is_full_precision() ? DType::f32 : DType::f16);
  context_ = context != 0 ? context : default_context(spec, dtype, free_memory());
  if (hard_limit(spec) != 0 && context_ > hard_limit(spec)) {
    fail_usage(fmt::format("a context of {} tokens was asked for, the model has positions for {}",
                           context_, hard_limit(spec)));
  }
  if (context_ > std::uint64_t{1} << 27)
    fail_usage(fmt::format("a context of {} tokens is too long", context_));
  if (spec.decoder) cache_ = KvCache(*spec.decoder, context_, dtype);
}

void Sequence::rewind(std::uint64_t position) {
  position_ = std::min(position, position_);
  ropes_.truncate(position_);
}

void Sequence::check_room(std::uint64_t tokens) const {
  if (tokens > context_ - position_) {
    fail_usage(fmt::format("{} tokens do not fit in the context of {} (see --ctx)",
                           position_ + tokens, context_));
  }
}

void Sequence::prepare(std::uint64_t tokens, Phase phase) {
  const std::uint64_t end = position_ + tokens;
  // Dynamic scaling: each token that is decoded sees the text as long as it is with itself.
  for (std::uint64_t p = position_ + 1; phase == Phase::decode && p < end; ++p) ropes_.extend(p, p);
  ropes_.extend(end, end);
  const StackPlan& stack = model_->plan().decoder;
  if (stack.relative_bias != kNoWeight && bias_.values.empty()) {
    bias_ = make_relative_bias(stack.spec, model_->weights()[stack.relative_bias].vector, context_);
  }
}

Segment Sequence::segment(std::uint64_t first_row, std::uint64_t rows) {
  Segment segment;
  segment.first_row = first_row;
  segment.rows = rows;
  segment.first_position = position_;
  segment.cache = &cache_;
  segment.ropes = &ropes_;
  segment.bias = bias_.values.empty() ? nullptr : &bias_;
  segment.cross = cross();
  return segment;
}

CrossMemory Sequence::cross() {
  const StackSpec& stack = model_->plan().decoder.spec;
  return {cross_.data(), cross_length_, 2 * std::uint64_t{stack.kv_heads} * stack.head_dim,
          cross_mask_.empty() ? nullptr : cross_mask_.data()};
}

CrossMemory Sequence::start_after(std::uint64_t length, std::span<const std::uint8_t> mask) {
  rewind(0);
  cross_length_ = length;
  cross_mask_.assign(mask.begin(), mask.end());
  cross_.resize(model_->plan().decoder.spec.layers.size() * length * cross().row);
  return cross();
}

}  // namespace halfbyte
