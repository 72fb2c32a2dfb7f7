#include "runtime/workspace.h"

#include <algorithm>

#include "kernels/row_ops.h"
#include "runtime/attend.h"

namespace halfbyte {

namespace {

std::uint64_t quantized_cost(std::uint64_t rows, std::uint64_t k) {
  return Arena::cost<std::int8_t>(rows * k) + Arena::cost<float>(rows * k / 32) +
         Arena::cost<std::int32_t>(rows * k / 16) + Arena::cost<Outlier>(outlier_places(rows, k));
}

QuantizedRows take_quantized(Arena& arena, std::uint64_t rows, std::uint64_t k) {
  return {rows,
          k,
          arena.take<std::int8_t>(rows * k),
          arena.take<float>(rows * k / 32),
          arena.take<std::int32_t>(rows * k / 16),
          arena.take<Outlier>(outlier_places(rows, k))};
}

std::uint64_t token_cost(std::uint64_t rows, std::uint64_t k) {
  return Arena::cost<std::int8_t>(token_codes(rows, k)) + Arena::cost<float>(rows) +
         Arena::cost<std::int32_t>(rows) + Arena::cost<std::uint32_t>(rows * k / 32);
}

TokenRows take_tokens(Arena& arena, std::uint64_t rows, std::uint64_t k) {
  return {rows,
          k,
          arena.take<std::int8_t>(token_codes(rows, k)),
          arena.take<float>(rows),
          arena.take<std::int32_t>(rows),
          arena.take<std::uint32_t>(rows * k / 32)};
}

std::uint64_t attention_scratch(const Plan& plan, std::uint64_t rows, std::uint64_t length) {
  std::uint64_t bytes = 0;
  for (const StackPlan* stack : {&plan.encoder, &plan.decoder}) {
    if (stack->steps.empty()) continue;
    bytes = std::max<std::uint64_t>(
        bytes, attention_scratch_bytes(rows, stack->spec.heads, stack->spec.head_dim, length));
  }
  return bytes;
}

std::uint64_t parts_floats(const Plan& plan, std::uint64_t rows, std::uint64_t length) {
  std::uint64_t floats = 0;
  for (const StackPlan* stack : {&plan.encoder, &plan.decoder}) {
    if (stack->steps.empty()) continue;
    floats = std::max(
        floats, attention_parts_floats(rows, stack->spec.heads, stack->spec.head_dim, length));
  }
  return floats;
}

}  // namespace

Workspace::Workspace(const Plan& plan, std::uint64_t rows, std::uint64_t length,
                     std::size_t threads)
    : rows_(rows) {
  const std::uint64_t k = (plan.widest_input() + 31) / 32 * 32;  // groups are quantized together
  const std::uint64_t kernel =
      std::max<std::uint64_t>(linear_scratch_bytes(k), attention_scratch(plan, rows, length));
  const std::uint64_t parts = parts_floats(plan, rows, length);
  std::uint64_t widest = k;
  std::uint64_t total = 0;
  for (std::size_t i = 0; i < kBuffers; ++i) {
    widths_[i] = plan.width_of(static_cast<Buffer>(i));
    widest = std::max(widest, widths_[i]);
    total += Arena::cost<float>(rows * widths_[i]);
  }
  total += Arena::cost<float>(rows * k) + Arena::cost<std::uint16_t>(bf16_words(rows, k)) +
           Arena::cost<float>(parts) + quantized_cost(rows, k) + token_cost(rows, k);
  const auto& experts = plan.spec.main_stack().experts;
  if (experts) total += Routes::cost(*experts, rows);
  total += threads *
           (Arena::cost<std::byte>(kernel) + Arena::cost<float>(widest) +
            Arena::cost<std::uint16_t>(bf16_words(1, k)) + quantized_cost(1, k) + token_cost(1, k));
  arena_ = Arena(total);
  for (std::size_t i = 0; i < kBuffers; ++i) buffers_[i] = arena_.take<float>(rows * widths_[i]);
  staging_ = arena_.take<float>(rows * k);
  bf16_ = arena_.take<std::uint16_t>(bf16_words(rows, k));
  attention_parts_ = arena_.take<float>(parts);
  quantized_ = take_quantized(arena_, rows, k);
  tokens_ = take_tokens(arena_, rows, k);
  if (experts) routes_.take(arena_, *experts, rows);
  for (std::size_t i = 0; i < threads; ++i) {
    ThreadScratch scratch;
    scratch.kernel = arena_.take<std::byte>(kernel);
    scratch.row = arena_.take<float>(widest);
    scratch.bf16 = arena_.take<std::uint16_t>(bf16_words(1, k));
    scratch.quantized = take_quantized(arena_, 1, k);
    scratch.token = take_tokens(arena_, 1, k);
    threads_.push_back(scratch);
  }
}

TokenRows Workspace::tokens(std::uint64_t rows, std::uint64_t k) const {
  TokenRows view = tokens_;
  view.rows = rows;
  view.k = k;
  return view;
}

QuantizedRows Workspace::quantized(std::uint64_t rows, std::uint64_t k) const {
  QuantizedRows view = quantized_;
  view.rows = rows;
  view.k = k;
  return view;
}

}  // namespace halfbyte
