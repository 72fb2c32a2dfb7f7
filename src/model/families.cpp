// The family table itself, and the name rules of each family.
#include "model/families.h"

#include <algorithm>
#include <array>

namespace halfbyte {

namespace {

using Names = std::string_view;

// Llama, Mistral, Qwen2, Qwen3: one naming, which mixtures of experts add to.
constexpr NameRule kLlamaNames[] = {
    {"model.embed_tokens", "token_embd"},
    {"model.norm", "output_norm"},
    {"lm_head", "output"},
    {"model.layers.{}.input_layernorm", "blk.{}.attn_norm"},
    {"model.layers.{}.self_attn.q_proj", "blk.{}.attn_q"},
    {"model.layers.{}.self_attn.k_proj", "blk.{}.attn_k"},
    {"model.layers.{}.self_attn.v_proj", "blk.{}.attn_v"},
    {"model.layers.{}.self_attn.o_proj", "blk.{}.attn_output"},
    {"model.layers.{}.self_attn.q_norm", "blk.{}.attn_q_norm"},
    {"model.layers.{}.self_attn.k_norm", "blk.{}.attn_k_norm"},
    {"model.layers.{}.post_attention_layernorm", "blk.{}.ffn_norm"},
    {"model.layers.{}.mlp.gate_proj", "blk.{}.ffn_gate"},
    {"model.layers.{}.mlp.up_proj", "blk.{}.ffn_up"},
    {"model.layers.{}.mlp.down_proj", "blk.{}.ffn_down"},
    {"model.layers.{}.self_attn.rotary_emb.inv_freq", ""},
};

template <std::size_t A, std::size_t B>
constexpr std::array<NameRule, A + B> joined(const NameRule (&first)[A],
                                             const NameRule (&second)[B]) {
  std::array<NameRule, A + B> all{};
  std::copy_n(first, A, all.begin());
  std::copy_n(second, B, all.begin() + A);
  return all;
}

// Experts are named as in GGUF files before their matrices were stacked.
constexpr NameRule kMixtralExpertNames[] = {
    {"model.layers.{}.block_sparse_moe.gate", "blk.{}.ffn_gate_inp"},
    {"model.layers.{}.block_sparse_moe.experts.{}.w1", "blk.{}.ffn_gate.{}"},
    {"model.layers.{}.block_sparse_moe.experts.{}.w3", "blk.{}.ffn_up.{}"},
    {"model.layers.{}.block_sparse_moe.experts.{}.w2", "blk.{}.ffn_down.{}"},
};
constexpr auto kMixtralNames = joined(kLlamaNames, kMixtralExpertNames);

// Qwen2-MoE, Qwen3-MoE and OLMoE; some layers may have a plain FFN.
constexpr NameRule kQwenExpertNames[] = {
    {"model.layers.{}.mlp.gate", "blk.{}.ffn_gate_inp"},
    {"model.layers.{}.mlp.experts.{}.gate_proj", "blk.{}.ffn_gate.{}"},
    {"model.layers.{}.mlp.experts.{}.up_proj", "blk.{}.ffn_up.{}"},
    {"model.layers.{}.mlp.experts.{}.down_proj", "blk.{}.ffn_down.{}"},
    {"model.layers.{}.mlp.shared_expert_gate", "blk.{}.ffn_gate_inp_shexp"},
    {"model.layers.{}.mlp.shared_expert.gate_proj", "blk.{}.ffn_gate_shexp"},
    {"model.layers.{}.mlp.shared_expert.up_proj", "blk.{}.ffn_up_shexp"},
    {"model.layers.{}.mlp.shared_expert.down_proj", "blk.{}.ffn_down_shexp"},
};
constexpr auto kQwenMoeNames = joined(kLlamaNames, kQwenExpertNames);

constexpr NameRule kGemma3Names[] = {
    {"model.embed_tokens", "token_embd"},
    {"model.norm", "output_norm"},
    {"lm_head", "output"},
    {"model.layers.{}.input_layernorm", "blk.{}.attn_norm"},
    {"model.layers.{}.self_attn.q_proj", "blk.{}.attn_q"},
    {"model.layers.{}.self_attn.k_proj", "blk.{}.attn_k"},
    {"model.layers.{}.self_attn.v_proj", "blk.{}.attn_v"},
    {"model.layers.{}.self_attn.o_proj", "blk.{}.attn_output"},
    {"model.layers.{}.self_attn.q_norm", "blk.{}.attn_q_norm"},
    {"model.layers.{}.self_attn.k_norm", "blk.{}.attn_k_norm"},
    {"model.layers.{}.post_attention_layernorm", "blk.{}.post_attention_norm"},
    {"model.layers.{}.pre_feedforward_layernorm", "blk.{}.ffn_norm"},
    {"model.layers.{}.post_feedforward_layernorm", "blk.{}.post_ffw_norm"},
    {"model.layers.{}.mlp.gate_proj", "blk.{}.ffn_gate"},
    {"model.layers.{}.mlp.up_proj", "blk.{}.ffn_up"},
    {"model.layers.{}.mlp.down_proj", "blk.{}.ffn_down"},
};

// GPT-2 stores its matrices [inputs, outputs] and q, k, v as one.
constexpr NameRule kGpt2Names[] = {
    {"wte", "token_embd"},
    {"wpe", "position_embd"},
    {"ln_f", "output_norm"},
    {"lm_head", "output"},
    {"h.{}.ln_1", "blk.{}.attn_norm"},
    {"h.{}.attn.c_attn", "blk.{}.attn_qkv", true},
    {"h.{}.attn.c_proj", "blk.{}.attn_output", true},
    {"h.{}.ln_2", "blk.{}.ffn_norm"},
    {"h.{}.mlp.c_fc", "blk.{}.ffn_up", true},
    {"h.{}.mlp.c_proj", "blk.{}.ffn_down", true},
    {"h.{}.attn", ""},  // the causal mask, stored as "attn.bias"
    {"h.{}.attn.masked_bias", ""},
};

constexpr NameRule kBertNames[] = {
    {"embeddings.word_embeddings", "token_embd"},
    {"embeddings.position_embeddings", "position_embd"},
    {"embeddings.token_type_embeddings", "token_types"},
    {"embeddings.LayerNorm", "token_embd_norm"},
    {"embeddings.position_ids", ""},
    {"encoder.layer.{}.attention.self.query", "blk.{}.attn_q"},
    {"encoder.layer.{}.attention.self.key", "blk.{}.attn_k"},
    {"encoder.layer.{}.attention.self.value", "blk.{}.attn_v"},
    {"encoder.layer.{}.attention.output.dense", "blk.{}.attn_output"},
    {"encoder.layer.{}.attention.output.LayerNorm", "blk.{}.attn_output_norm"},
    {"encoder.layer.{}.intermediate.dense", "blk.{}.ffn_up"},
    {"encoder.layer.{}.output.dense", "blk.{}.ffn_down"},
    {"encoder.layer.{}.output.LayerNorm", "blk.{}.layer_output_norm"},
};

constexpr NameRule kT5Names[] = {
    {"shared", "token_embd"},
    {"encoder.embed_tokens", "token_embd"},
    {"decoder.embed_tokens", "token_embd"},
    {"lm_head", "output"},
    {"encoder.final_layer_norm", "enc.output_norm"},
    {"encoder.block.{}.layer.0.layer_norm", "enc.blk.{}.attn_norm"},
    {"encoder.block.{}.layer.0.SelfAttention.q", "enc.blk.{}.attn_q"},
    {"encoder.block.{}.layer.0.SelfAttention.k", "enc.blk.{}.attn_k"},
    {"encoder.block.{}.layer.0.SelfAttention.v", "enc.blk.{}.attn_v"},
    {"encoder.block.{}.layer.0.SelfAttention.o", "enc.blk.{}.attn_o"},
    {"encoder.block.{}.layer.0.SelfAttention.relative_attention_bias", "enc.blk.{}.attn_rel_b"},
    {"encoder.block.{}.layer.1.layer_norm", "enc.blk.{}.ffn_norm"},
    {"encoder.block.{}.layer.1.DenseReluDense.wi", "enc.blk.{}.ffn_up"},
    {"encoder.block.{}.layer.1.DenseReluDense.wi_0", "enc.blk.{}.ffn_gate"},
    {"encoder.block.{}.layer.1.DenseReluDense.wi_1", "enc.blk.{}.ffn_up"},
    {"encoder.block.{}.layer.1.DenseReluDense.wo", "enc.blk.{}.ffn_down"},
    {"decoder.final_layer_norm", "dec.output_norm"},
    {"decoder.block.{}.layer.0.layer_norm", "dec.blk.{}.attn_norm"},
    {"decoder.block.{}.layer.0.SelfAttention.q", "dec.blk.{}.attn_q"},
    {"decoder.block.{}.layer.0.SelfAttention.k", "dec.blk.{}.attn_k"},
    {"decoder.block.{}.layer.0.SelfAttention.v", "dec.blk.{}.attn_v"},
    {"decoder.block.{}.layer.0.SelfAttention.o", "dec.blk.{}.attn_o"},
    {"decoder.block.{}.layer.0.SelfAttention.relative_attention_bias", "dec.blk.{}.attn_rel_b"},
    {"decoder.block.{}.layer.1.layer_norm", "dec.blk.{}.cross_attn_norm"},
    {"decoder.block.{}.layer.1.EncDecAttention.q", "dec.blk.{}.cross_attn_q"},
    {"decoder.block.{}.layer.1.EncDecAttention.k", "dec.blk.{}.cross_attn_k"},
    {"decoder.block.{}.layer.1.EncDecAttention.v", "dec.blk.{}.cross_attn_v"},
    {"decoder.block.{}.layer.1.EncDecAttention.o", "dec.blk.{}.cross_attn_o"},
    // Old checkpoints carry a table that no version of T5 ever used.
    {"decoder.block.{}.layer.1.EncDecAttention.relative_attention_bias", ""},
    {"decoder.block.{}.layer.2.layer_norm", "dec.blk.{}.ffn_norm"},
    {"decoder.block.{}.layer.2.DenseReluDense.wi", "dec.blk.{}.ffn_up"},
    {"decoder.block.{}.layer.2.DenseReluDense.wi_0", "dec.blk.{}.ffn_gate"},
    {"decoder.block.{}.layer.2.DenseReluDense.wi_1", "dec.blk.{}.ffn_up"},
    {"decoder.block.{}.layer.2.DenseReluDense.wo", "dec.blk.{}.ffn_down"},
};

constexpr StackTraits kLlamaStack{};
constexpr StackTraits kQwen3Stack{.qk_norm = true};
constexpr StackTraits kGemma3Stack{
    .sandwich_norm = true, .qk_norm = true, .activation = Activation::gelu_tanh};
constexpr StackTraits kGpt2Stack{.norm = NormKind::layer,
                                 .position = PositionKind::learned,
                                 .activation = Activation::gelu_tanh,
                                 .gated = false};
constexpr StackTraits kBertStack{.norm = NormKind::layer,
                                 .pre_norm = false,
                                 .final_norm = false,
                                 .causal = false,
                                 .position = PositionKind::learned,
                                 .activation = Activation::gelu,
                                 .gated = false};
constexpr StackTraits kT5Encoder{.causal = false,
                                 .position = PositionKind::relative,
                                 .activation = Activation::relu,
                                 .gated = false};
constexpr StackTraits kT5Decoder{.cross_attention = true,
                                 .position = PositionKind::relative,
                                 .activation = Activation::relu,
                                 .gated = false};

constexpr Names kLlamaTypes[] = {"llama"};
constexpr Names kMistralTypes[] = {"mistral"};
constexpr Names kQwen2Types[] = {"qwen2"};
constexpr Names kQwen3Types[] = {"qwen3"};
constexpr Names kMixtralTypes[] = {"mixtral"};
constexpr Names kQwen3MoeTypes[] = {"qwen3_moe"};
constexpr Names kGemma3Types[] = {"gemma3_text", "gemma3"};
constexpr Names kGpt2Types[] = {"gpt2"};
constexpr Names kBertTypes[] = {"bert"};
constexpr Names kT5Types[] = {"t5", "mt5"};
constexpr Names kGemma3Archs[] = {"gemma3"};
constexpr Names kQwen3MoeArchs[] = {"qwen3moe"};
constexpr Names kT5Archs[] = {"t5"};

constexpr Names kGemma3Prefixes[] = {"language_model.", "model.language_model."};
constexpr Names kGemma3Ignored[] = {"vision_tower.", "multi_modal_projector.",
                                    "model.vision_tower.", "model.multi_modal_projector."};
constexpr Names kGpt2Prefixes[] = {"transformer."};
constexpr Names kBertPrefixes[] = {"bert."};
constexpr Names kBertIgnored[] = {"pooler.", "cls."};

constexpr BlockNames kBertBlock{.attn_norm = "attn_output_norm", .ffn_norm = "layer_output_norm"};
constexpr BlockNames kT5Block{.attn_out = "attn_o"};

constexpr ConfigDefaults kMistralDefaults{.kv_heads = 8, .window = 4096};
constexpr ConfigDefaults kQwen2Defaults{.window = 4096, .slides = false, .max_window_layers = 28};
constexpr ConfigDefaults kQwen3Defaults{
    .head_dim = 128, .window = 4096, .slides = false, .max_window_layers = 28};
constexpr ConfigDefaults kMixtralDefaults{.kv_heads = 8};
constexpr ConfigDefaults kQwen3MoeDefaults{.kv_heads = 4, .window = 4096, .slides = false};
constexpr ConfigDefaults kGemma3Defaults{.vocab = 262208,
                                         .heads = 8,
                                         .kv_heads = 4,
                                         .head_dim = 256,
                                         .query_scalar = 256.0,
                                         .window = 4096};
constexpr ConfigDefaults kBertDefaults{.token_types = 2};
constexpr ConfigDefaults kT5Defaults{.head_dim = 64};

constexpr ExpertTraits kMixtralExperts{.count = 8, .used = 2};
constexpr ExpertTraits kQwen3Experts{
    .count = 128, .used = 8, .own_width = true, .normalize = false};

constexpr Family kFamilies[] = {
    {.name = "llama",
     .config_types = kLlamaTypes,
     .gguf_archs = kLlamaTypes,
     .hf_class = "LlamaForCausalLM",
     .decoder = &kLlamaStack,
     .names = kLlamaNames,
     .gguf_interleaves_rope = true},
    // A GGUF file says "llama" for Mistral, too; halfbyte adds the window's key.
    {.name = "mistral",
     .config_types = kMistralTypes,
     .gguf_archs = kLlamaTypes,
     .hf_class = "MistralForCausalLM",
     .decoder = &kLlamaStack,
     .names = kLlamaNames,
     .gguf_interleaves_rope = true,
     .defaults = kMistralDefaults},
    {.name = "qwen2",
     .config_types = kQwen2Types,
     .gguf_archs = kQwen2Types,
     .hf_class = "Qwen2ForCausalLM",
     .decoder = &kLlamaStack,
     .names = kLlamaNames,
     .defaults = kQwen2Defaults},
    {.name = "qwen3",
     .config_types = kQwen3Types,
     .gguf_archs = kQwen3Types,
     .hf_class = "Qwen3ForCausalLM",
     .decoder = &kQwen3Stack,
     .names = kLlamaNames,
     .defaults = kQwen3Defaults},
    {.name = "mixtral",
     .config_types = kMixtralTypes,
     .gguf_archs = kLlamaTypes,
     .hf_class = "MixtralForCausalLM",
     .decoder = &kLlamaStack,
     .experts = &kMixtralExperts,
     .names = kMixtralNames,
     .gguf_interleaves_rope = true,
     .rope_theta = 1e6,
     .norm_eps = 1e-5,
     .defaults = kMixtralDefaults},
    {.name = "qwen3_moe",
     .config_types = kQwen3MoeTypes,
     .gguf_archs = kQwen3MoeArchs,
     .hf_class = "Qwen3MoeForCausalLM",
     .decoder = &kQwen3Stack,
     .experts = &kQwen3Experts,
     .names = kQwenMoeNames,
     .defaults = kQwen3MoeDefaults},
    {.name = "gemma3",
     .config_types = kGemma3Types,
     .gguf_archs = kGemma3Archs,
     .hf_class = "Gemma3ForCausalLM",
     .decoder = &kGemma3Stack,
     .names = kGemma3Names,
     .optional_prefixes = kGemma3Prefixes,
     .ignored_prefixes = kGemma3Ignored,
     .tied_by_default = true,
     .scale_embedding = true,
     .norm_offset = 1.0f,
     .rope_theta = 1e6,
     .local_rope_theta = 1e4,
     .window_pattern = 6,
     .defaults = kGemma3Defaults},
    {.name = "gpt2",
     .config_types = kGpt2Types,
     .gguf_archs = kGpt2Types,
     .hf_class = "GPT2LMHeadModel",
     .decoder = &kGpt2Stack,
     .names = kGpt2Names,
     .optional_prefixes = kGpt2Prefixes,
     .tied_by_default = true,
     .norm_eps = 1e-5},
    {.name = "bert",
     .config_types = kBertTypes,
     .gguf_archs = kBertTypes,
     .hf_class = "BertModel",
     .encoder = &kBertStack,
     .names = kBertNames,
     .optional_prefixes = kBertPrefixes,
     .ignored_prefixes = kBertIgnored,
     .block = kBertBlock,
     .has_head = false,
     .tied_by_default = true,
     .embedding_norm = true,
     .norm_eps = 1e-12,
     .defaults = kBertDefaults},
    {.name = "t5",
     .config_types = kT5Types,
     .gguf_archs = kT5Archs,
     .hf_class = "T5ForConditionalGeneration",
     .encoder = &kT5Encoder,
     .decoder = &kT5Decoder,
     .names = kT5Names,
     .block = kT5Block,
     .tied_by_default = true,
     .unit_attention_scale = true,
     .defaults = kT5Defaults},
};

bool contains(std::span<const std::string_view> list, std::string_view item) {
  return std::find(list.begin(), list.end(), item) != list.end();
}

template <typename Predicate>
const Family* find_if(Predicate predicate) {
  const auto found = std::find_if(std::begin(kFamilies), std::end(kFamilies), predicate);
  return found == std::end(kFamilies) ? nullptr : &*found;
}

}  // namespace

StackSpec make_stack(const Family& family, const StackTraits& traits) {
  StackSpec stack;
  stack.norm = traits.norm;
  stack.norm_offset = family.norm_offset;
  stack.pre_norm = traits.pre_norm;
  stack.sandwich_norm = traits.sandwich_norm;
  stack.qk_norm = traits.qk_norm;
  stack.final_norm = traits.final_norm;
  stack.causal = traits.causal;
  stack.cross_attention = traits.cross_attention;
  stack.position = traits.position;
  stack.activation = traits.activation;
  stack.gated = traits.gated;
  return stack;
}

std::span<const Family> all_families() {
  return kFamilies;
}

const Family* find_family(std::string_view name) {
  return find_if([&](const Family& family) { return family.name == name; });
}

const Family* find_family_of_config(std::string_view model_type) {
  return find_if([&](const Family& family) { return contains(family.config_types, model_type); });
}

const Family* find_family_of_gguf(std::string_view arch, bool experts) {
  return find_if([&](const Family& family) {
    return contains(family.gguf_archs, arch) && (family.experts != nullptr) == experts;
  });
}

std::string_view family_kind(const Family& family) {
  if (family.encoder == nullptr) return "decoder-only";
  return family.decoder == nullptr ? "encoder" : "encoder-decoder";
}

}  // namespace halfbyte
