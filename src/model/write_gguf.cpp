// ModelSpec -> the metadata that llama.cpp expects of such a model.
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
}

std::uint32_t largest_window(const StackSpec& stack) {
  std::uint32_t window = 0;
  for (const LayerSpec& layer : stack.layers) window = std::max(window, layer.window);
  return window;
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
  if (!stack.ropes.empty()) write_rope(arch, stack, metadata);
  metadata.set_string("halfbyte.model", spec_to_json(spec).dump());
}

}  // namespace halfbyte
