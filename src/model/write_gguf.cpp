// ModelSpec -> the metadata that llama.cpp expects of such a model.
#include <cmath>

#include <fmt/format.h>

#include "model/config_gguf.h"

namespace halfbyte {

namespace {

void write_rope(const std::string& arch, const StackSpec& stack, Metadata& metadata) {
  const RopeSpec& rope = stack.ropes.front();
  const auto key = [&](std::string_view name) { return fmt::format("{}.rope.{}", arch, name); };
  metadata.set_u32(key("dimension_count"), rope.dim);
  metadata.set_f32(key("freq_base"), static_cast<float>(rope.theta));
  if (stack.ropes.size() > 1) {
    metadata.set_f32(key("freq_base_swa"), static_cast<float>(stack.ropes[1].theta));
  }
  // llama3 scaling is stored as the tensor rope_freqs; dynamic has no counterpart (halfbyte.model
  // has it).
  if (rope.scaling != RopeScaling::linear && rope.scaling != RopeScaling::yarn) return;
  const bool yarn = rope.scaling == RopeScaling::yarn;
  metadata.set_string(key("scaling.type"), yarn ? "yarn" : "linear");
  metadata.set_f32(key("scaling.factor"), static_cast<float>(rope.factor));
  if (!yarn) return;
  metadata.set_u32(key("scaling.original_context_length"), rope.original_context);
  metadata.set_f32(key("scaling.yarn_beta_fast"), static_cast<float>(rope.beta_fast));
  metadata.set_f32(key("scaling.yarn_beta_slow"), static_cast<float>(rope.beta_slow));
  // A factor on what readers compute from the scale.
  const double implied = rope.factor > 1.0 ? 0.1 * std::log(rope.factor) + 1.0 : 1.0;
  if (std::abs(rope.attention_factor - implied) > 1e-9) {
    metadata.set_f32(key("scaling.attn_factor"),
                     static_cast<float>(rope.attention_factor / implied));
  }
}

std::uint32_t largest_window(const StackSpec& stack) {
  std::uint32_t window = 0;
  for (const LayerSpec& layer : stack.layers) window = std::max(window, layer.window);
  return window;
}

// Which layers slide, where it is every one but each n-th and n is not the family's own.
void write_window_pattern(const std::string& key, const Family* family, const StackSpec& stack,
                          Metadata& metadata) {
  const auto slides = [&](std::size_t i) {
    return stack.layers[i].window > 0 || stack.layers[i].rope > 0;
  };
  std::uint32_t pattern = 1;
  while (pattern <= stack.layers.size() && slides(pattern - 1)) ++pattern;
  if (family == nullptr || family->window_pattern == 0 || pattern > stack.layers.size()) return;
  for (std::size_t i = 0; i < stack.layers.size(); ++i) {
    if (slides(i) != ((i + 1) % pattern != 0)) return;
  }
  if (pattern != family->window_pattern) metadata.set_u32(key, pattern);
}

void write_experts(const std::string& arch, const ExpertSpec& experts, const Family* family,
                   Metadata& metadata) {
  const auto key = [&](std::string_view name) { return fmt::format("{}.{}", arch, name); };
  metadata.set_u32(key("expert_count"), experts.count);
  metadata.set_u32(key("expert_used_count"), experts.used);
  if (family == nullptr || family->experts == nullptr) return;
  if (family->experts->own_width) {
    metadata.set_u32(key("expert_feed_forward_length"), experts.ffn);
  }
  if (experts.normalize != family->experts->gguf_normalizes) {
    metadata.set_bool(key("expert_weights_norm"), experts.normalize);
  }
}

// Written only where they are not what readers assume, so that usual files have the usual keys.
void write_unusual(const std::string& arch, const ModelSpec& spec, const StackSpec& stack,
                   const Family* family, Metadata& metadata) {
  const auto key = [&](std::string_view name) { return fmt::format("{}.{}", arch, name); };
  const bool unit = family != nullptr && family->unit_attention_scale;
  const double scale = unit ? 1.0 : 1.0 / std::sqrt(stack.head_dim);
  if (std::abs(stack.attention_scale - scale) > 1e-9) {
    metadata.set_f32(key("attention.scale"), static_cast<float>(stack.attention_scale));
  }
  if (stack.attention_softcap != 0.0) {
    metadata.set_f32(key("attn_logit_softcapping"), static_cast<float>(stack.attention_softcap));
  }
  if (spec.logit_softcap != 0.0) {
    metadata.set_f32(key("final_logit_softcapping"), static_cast<float>(spec.logit_softcap));
  }
  write_window_pattern(key("attention.sliding_window_pattern"), family, stack, metadata);
}

}  // namespace

void spec_to_gguf(const ModelSpec& spec, Metadata& metadata) {
  const Family* family = find_family(spec.family);
  const std::string arch(family != nullptr ? family->gguf_archs.front()
                                           : std::string_view(spec.family));
  const auto key = [&](std::string_view name) { return fmt::format("{}.{}", arch, name); };
  const StackSpec& stack = spec.encoder ? *spec.encoder : *spec.decoder;
  metadata.set_string("general.architecture", arch);
  metadata.set_u32(key("vocab_size"), spec.vocab);
  metadata.set_u32(key("context_length"), spec.context_length);
  metadata.set_u32(key("embedding_length"), spec.width);
  metadata.set_u32(key("block_count"), static_cast<std::uint32_t>(stack.layers.size()));
  metadata.set_u32(key("feed_forward_length"), stack.ffn);
  metadata.set_u32(key("attention.head_count"), stack.heads);
  metadata.set_u32(key("attention.head_count_kv"), stack.kv_heads);
  metadata.set_u32(key("attention.key_length"), stack.head_dim);
  metadata.set_u32(key("attention.value_length"), stack.head_dim);
  const bool rms = stack.norm == NormKind::rms;
  metadata.set_f32(key(rms ? "attention.layer_norm_rms_epsilon" : "attention.layer_norm_epsilon"),
                   static_cast<float>(stack.norm_eps));
  if (!stack.causal && !spec.decoder) metadata.set_bool(key("attention.causal"), false);
  if (spec.encoder && spec.decoder) {
    metadata.set_u32(key("decoder_block_count"),
                     static_cast<std::uint32_t>(spec.decoder->layers.size()));
    // llama.cpp asks T5 files for both epsilons.
    metadata.set_f32(key("attention.layer_norm_epsilon"), static_cast<float>(stack.norm_eps));
  }
  if (stack.position == PositionKind::relative) {
    metadata.set_u32(key("attention.relative_buckets_count"), stack.relative_buckets);
  }
  if (spec.decoder_start >= 0) {
    metadata.set_u32(key("decoder_start_token_id"), static_cast<std::uint32_t>(spec.decoder_start));
  }
  if (const std::uint32_t window = largest_window(stack)) {
    metadata.set_u32(key("attention.sliding_window"), window);
  }
  if (stack.experts) write_experts(arch, *stack.experts, family, metadata);
  if (!stack.ropes.empty()) write_rope(arch, stack, metadata);
  write_unusual(arch, spec, stack, family, metadata);
  metadata.set_string("halfbyte.model", spec_to_json(spec).dump());
}

}  // namespace halfbyte
