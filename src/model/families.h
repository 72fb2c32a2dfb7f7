// The family table: what distinguishes the published model families, as data.
//
// A row says how the family's blocks are built, which config values it assumes when they are left
// out, and how its tensors are called. Adding a family is a row here and its name rules; nothing
// else in halfbyte knows a family by name.
#pragma once

#include <cstdint>
#include <span>
#include <string_view>

#include "model/spec.h"

namespace halfbyte {

// How one published tensor name maps to ours. `{}` stands for the layer, a second one for the
// expert. The suffix (".weight",
// ".bias") is not part of the pattern. Our names are those of GGUF, so a GGUF file needs no rules.
struct NameRule {
  std::string_view published;
  std::string_view name;    // "" = known and not used
  bool transposed = false;  // stored [inputs, outputs]
};

// A family of mixtures of experts, and what it takes where a config or a GGUF file leaves a key
// out.
struct ExpertTraits {
  std::uint32_t count = 0;
  std::uint32_t used = 0;
  bool own_width = false;       // experts have a width of their own, not that of a plain FFN
  bool normalize = true;        // norm_topk_prob
  bool gguf_normalizes = true;  // what readers of its GGUF files do unasked
};

// The names of a block's parts that differ between families (GGUF's spelling).
struct BlockNames {
  std::string_view attn_norm = "attn_norm";
  std::string_view attn_out = "attn_output";
  std::string_view ffn_norm = "ffn_norm";
  std::string_view post_attn_norm = "post_attention_norm";
  std::string_view post_ffn_norm = "post_ffw_norm";
};

// The flags of a stack; numbers come from the config.
struct StackTraits {
  NormKind norm = NormKind::rms;
  bool pre_norm = true;
  bool sandwich_norm = false;
  bool qk_norm = false;
  bool final_norm = true;
  bool causal = true;
  bool cross_attention = false;
  PositionKind position = PositionKind::rope;
  Activation activation = Activation::silu;  // where the config names none
  bool gated = true;
};

// What the reference library takes where a config.json leaves a key out and it cannot be derived
// from others. Published configs do that: Gemma 3's name only what differs from these. 0 = nothing.
struct ConfigDefaults {
  std::uint32_t vocab = 0;
  std::uint32_t heads = 0;
  std::uint32_t kv_heads = 0;           // 0: as many as heads
  std::uint32_t head_dim = 0;           // 0: width / heads
  double query_scalar = 0.0;            // query_pre_attn_scalar; 0: head_dim
  std::uint32_t window = 0;             // where sliding_window is left out (null is none)
  bool slides = true;                   // use_sliding_window
  std::uint32_t max_window_layers = 0;  // layers from this one on slide
  std::uint32_t token_types = 0;
};

struct Family {
  std::string_view name;
  std::span<const std::string_view> config_types;  // model_type in config.json
  std::span<const std::string_view> gguf_archs;    // general.architecture; the first is written
  std::string_view hf_class;                       // "architectures" of a config.json we write
  const StackTraits* encoder = nullptr;
  const StackTraits* decoder = nullptr;
  const ExpertTraits* experts = nullptr;
  std::span<const NameRule> names;
  std::span<const std::string_view> optional_prefixes = {};  // stripped from published names
  std::span<const std::string_view> ignored_prefixes =
      {};  // tensors of parts that halfbyte does not run
  BlockNames block = {};
  bool has_head = true;
  bool tied_by_default = false;
  bool embedding_norm = false;
  bool scale_embedding = false;        // by sqrt(width)
  float norm_offset = 0.0f;            // of published checkpoints; GGUF files hold the sum
  bool unit_attention_scale = false;   // no 1/sqrt(head_dim)
  bool gguf_interleaves_rope = false;  // q and k rows are reordered in GGUF files
  double rope_theta = 10000.0;         // where the config names none
  double local_rope_theta = 0.0;       // of sliding layers, if they have their own
  std::uint32_t window_pattern =
      0;                   // every n-th layer is global; 0 = windows are for all layers alike
  double norm_eps = 1e-6;  // where the config names none
  ConfigDefaults defaults = {};
};

// A stack with the traits' flags and the family's norm offset; its numbers are still to be read.
StackSpec make_stack(const Family& family, const StackTraits& traits);

std::span<const Family> all_families();
const Family* find_family(std::string_view name);
const Family* find_family_of_config(std::string_view model_type);
// `experts`: the file holds a mixture of experts, which some families share their architecture
// with.
const Family* find_family_of_gguf(std::string_view arch, bool experts);

// "decoder-only", "encoder", "encoder-decoder".
std::string_view family_kind(const Family& family);

}  // namespace halfbyte
