// Bounds on every number of a model description before anything is computed or allocated from it.
#include <algorithm>
#include <cmath>

#include <fmt/format.h>

#include "base/error.h"
#include "model/spec.h"

namespace halfbyte {

namespace {

// Far above any published model, far below what could overflow a 64-bit product of three of them.
constexpr std::uint64_t kMaxWidth = 1u << 17;
constexpr std::uint64_t kMaxFfn = 1u << 19;
constexpr std::uint64_t kMaxLayers = 1024;
constexpr std::uint64_t kMaxHeads = 1024;
constexpr std::uint64_t kMaxHeadDim = 1024;
constexpr std::uint64_t kMaxExperts = 1024;
constexpr std::uint64_t kMaxAllExperts = 1u << 16;  // over all layers
constexpr std::uint64_t kMaxVocab = 1u << 22;
constexpr std::uint64_t kMaxContext = 1u << 27;

class Check {
 public:
  explicit Check(std::string_view file) : file_(file) {}

  void range(std::string_view what, std::uint64_t value, std::uint64_t low,
             std::uint64_t high) const {
    if (value < low || value > high) {
      fail_malformed(file_, fmt::format("{} is {}, expected {} to {}", what, value, low, high));
    }
  }
  void that(bool good, std::string_view what) const {
    if (!good) fail_malformed(file_, std::string(what));
  }
  void finite(std::string_view what, double value) const {
    if (!std::isfinite(value))
      fail_malformed(file_, fmt::format("{} is not a finite number", what));
  }

 private:
  std::string_view file_;
};

void check_rope(const Check& check, const RopeSpec& rope, const StackSpec& stack) {
  check.range("rotary dimension", rope.dim, 2, stack.head_dim);
  check.that(rope.dim % 2 == 0, "the rotary dimension is odd");
  check.that(std::isfinite(rope.theta) && rope.theta > 1.0, "rope_theta must be greater than 1");
  check.that(std::isfinite(rope.factor) && rope.factor > 0.0, "the rope factor must be positive");
  check.finite("attention_factor", rope.attention_factor);
  check.that(rope.divisors.empty() || rope.divisors.size() == rope.dim / 2,
             "the rope frequency table has the wrong length");
  const bool needs_context = rope.scaling == RopeScaling::dynamic ||
                             rope.scaling == RopeScaling::llama3 ||
                             rope.scaling == RopeScaling::yarn;
  if (needs_context)
    check.range("original context of the rope", rope.original_context, 1, kMaxContext);
  if (rope.scaling == RopeScaling::llama3) {
    check.that(rope.low_freq_factor > 0 && rope.high_freq_factor > rope.low_freq_factor,
               "high_freq_factor must be greater than low_freq_factor");
  }
  if (rope.scaling == RopeScaling::yarn) {
    check.that(rope.beta_fast > 0 && rope.beta_slow > 0, "yarn's betas must be positive");
  }
}

void check_experts(const Check& check, const StackSpec& stack) {
  const ExpertSpec& experts = *stack.experts;
  check.range("experts", experts.count, 1, kMaxExperts);
  check.range("experts of all layers", experts.count * stack.layers.size(), 1, kMaxAllExperts);
  check.range("experts used by a row", experts.used, 1, experts.count);
  check.range("width of an expert", experts.ffn, 1, kMaxFfn);
  check.range("width of the shared expert", experts.shared_ffn, 0, kMaxFfn);
  check.range("layers without experts", experts.dense_layers.size(), 0, kMaxLayers);
  check.that(stack.gated && stack.pre_norm && !stack.sandwich_norm,
             "experts are known with a gate, behind a norm");
}

void check_stack(const Check& check, const StackSpec& stack) {
  check.range("layers", stack.layers.size(), 1, kMaxLayers);
  check.range("attention heads", stack.heads, 1, kMaxHeads);
  check.range("KV heads", stack.kv_heads, 1, stack.heads);
  check.that(stack.heads % stack.kv_heads == 0, "the KV heads do not divide the attention heads");
  check.range("head dimension", stack.head_dim, 1, kMaxHeadDim);
  check.range("FFN width", stack.ffn, 1, kMaxFfn);
  check.that(std::isfinite(stack.norm_eps) && stack.norm_eps >= 0.0,
             "the norm's epsilon is negative");
  if (stack.experts) check_experts(check, stack);
  check.finite("attention scale", stack.attention_scale);
  check.finite("attention soft cap", stack.attention_softcap);
  for (const RopeSpec& rope : stack.ropes) check_rope(check, rope, stack);
  for (const LayerSpec& layer : stack.layers) {
    if (stack.position == PositionKind::rope) {
      check.that(layer.rope < stack.ropes.size(), "a layer names a rope that does not exist");
    }
  }
  if (stack.position == PositionKind::relative) {
    check.range("relative attention buckets", stack.relative_buckets, 4, 65536);
    check.range("relative attention distance", stack.relative_max_distance, stack.relative_buckets,
                kMaxContext);
  }
}

}  // namespace

bool StackSpec::has_experts(std::uint32_t layer) const {
  if (!experts) return false;
  const std::vector<std::uint32_t>& dense = experts->dense_layers;
  return std::find(dense.begin(), dense.end(), layer) == dense.end();
}

void check_spec(const ModelSpec& spec, std::string_view file) {
  const Check check(file);
  check.range("vocabulary size", spec.vocab, 1, kMaxVocab);
  check.range("hidden size", spec.width, 1, kMaxWidth);
  check.range("context length", spec.context_length, 1, kMaxContext);
  check.range("position table", spec.learned_positions, 0, kMaxContext);
  check.range("token types", spec.token_types, 0, 65536);
  check.finite("embedding scale", spec.embedding_scale);
  check.finite("logit scale", spec.logit_scale);
  check.finite("logit soft cap", spec.logit_softcap);
  check.that(spec.encoder || spec.decoder, "the model has neither encoder nor decoder");
  if (spec.encoder) {
    check_stack(check, *spec.encoder);
    check.that(!spec.encoder->cross_attention, "an encoder has no cross-attention");
  }
  if (spec.decoder) {
    check_stack(check, *spec.decoder);
    check.that(!spec.decoder->cross_attention || spec.encoder, "cross-attention needs an encoder");
  }
  // The embeddings' norm has one set of weights for both stacks.
  const bool norms_agree =
      !spec.encoder || !spec.decoder || spec.encoder->norm == spec.decoder->norm;
  check.that(norms_agree || !spec.embedding_norm, "encoder and decoder norm in different ways");
}

}  // namespace halfbyte
