// Reading of published configs. Key names differ by family and age; each is asked for by all of
// its names. Rope has a file of its own (config_rope.cpp).
#include "model/config_hf.h"

#include <algorithm>
#include <cmath>
#include <span>

#include <fmt/format.h>

#include "base/error.h"
#include "model/config_reader.h"
#include "model/config_rope.h"
#include "model/families.h"

namespace halfbyte {

namespace {

// Options that change what a model computes and that halfbyte does not know: refused when they are
// set to anything but the value here (null, false and absent are always fine).
struct Expected {
  std::string_view key;
  std::string_view value;
};
constexpr Expected kExpected[] = {
    {"add_cross_attention", ""},
    {"is_decoder", ""},
    {"scale_attn_by_inverse_layer_idx", ""},
    {"use_bidirectional_attention", ""},
    {"position_embedding_type", "absolute"},
    {"clip_qkv", ""},
};
// The same of families without experts.
constexpr Expected kNoExperts[] = {{"num_local_experts", ""}, {"num_experts", ""}};

void refuse_unknown_options(const ConfigReader& config, std::span<const Expected> expected) {
  for (const auto& [key, value] : expected) {
    const Json* found = config.find({key});
    if (found == nullptr || *found == false || *found == 0) continue;
    if (found->is_string() && found->get_ref<const std::string&>() == value) continue;
    fail_unsupported(config.file(),
                     fmt::format("'{}' is set: such models cannot be read yet", key));
  }
}

struct ActivationName {
  std::string_view name;
  Activation activation;
};
constexpr ActivationName kActivations[] = {
    {"relu", Activation::relu},           {"gelu", Activation::gelu},
    {"gelu_new", Activation::gelu_tanh},  {"gelu_pytorch_tanh", Activation::gelu_tanh},
    {"gelu_fast", Activation::gelu_tanh}, {"silu", Activation::silu},
    {"swish", Activation::silu},          {"quick_gelu", Activation::quick_gelu},
};

Activation activation_by_name(std::string_view name, std::string_view file) {
  for (const ActivationName& row : kActivations) {
    if (row.name == name) return row.activation;
  }
  fail_unsupported(file, fmt::format("the activation '{}' is not known", name));
}

// T5 says "relu" or "gated-gelu" in one key, where its gelu is the tanh form.
void read_activation(const ConfigReader& config, StackSpec& stack) {
  if (auto ffn = config.text({"feed_forward_proj"})) {
    constexpr std::string_view kGated = "gated-";
    stack.gated = ffn->starts_with(kGated);
    std::string name = stack.gated ? ffn->substr(kGated.size()) : *ffn;
    if (stack.gated && name == "gelu") name = "gelu_new";
    stack.activation = activation_by_name(name, config.file());
    return;
  }
  if (auto name = config.text({"hidden_activation", "hidden_act", "activation_function"})) {
    stack.activation = activation_by_name(*name, config.file());
  }
}

void read_heads(const ConfigReader& config, const Family& family, std::uint32_t width,
                StackSpec& stack) {
  const ConfigDefaults& defaults = family.defaults;
  const auto heads = config.uint({"num_attention_heads", "n_head", "num_heads"});
  if (!heads && defaults.heads == 0) {
    fail_malformed(config.file(), "'num_attention_heads' is missing");
  }
  stack.heads = heads.value_or(defaults.heads);
  // null is said on purpose: as many as heads.
  const bool unsaid = !config.json().contains("num_key_value_heads");
  const std::uint32_t kv_heads = unsaid && defaults.kv_heads != 0 ? defaults.kv_heads : stack.heads;
  stack.kv_heads = config.uint({"num_key_value_heads"}).value_or(kv_heads);
  if (stack.heads == 0) fail_malformed(config.file(), "'num_attention_heads' is 0");
  const std::uint32_t head_dim = defaults.head_dim != 0 ? defaults.head_dim : width / stack.heads;
  stack.head_dim = config.uint({"head_dim", "d_kv"}).value_or(head_dim);
  const double scalar = defaults.query_scalar != 0.0 ? defaults.query_scalar : stack.head_dim;
  const double per_head = config.number({"query_pre_attn_scalar"}).value_or(scalar);
  stack.attention_scale = family.unit_attention_scale ? 1.0 : 1.0 / std::sqrt(per_head);
  if (config.boolean({"scale_attn_weights"}).value_or(true) == false) stack.attention_scale = 1.0;
  stack.attention_softcap = config.number({"attn_logit_softcapping"}).value_or(0.0);
}

// An id (of a token or a layer), or a list of ids, or nothing.
std::vector<std::int64_t> read_ids(const Json* value, std::string_view file) {
  std::vector<std::int64_t> ids;
  if (value == nullptr) return ids;
  for (const Json& item : value->is_array() ? *value : Json::array({*value})) {
    if (!item.is_number_integer()) fail_malformed(file, "an id is not an integer");
    ids.push_back(item.get<std::int64_t>());
  }
  return ids;
}

// Layers whose FFN is plain: those listed, and all but each `decoder_sparse_step`-th.
std::vector<std::uint32_t> read_dense_layers(const ConfigReader& config, std::size_t layers) {
  const std::uint32_t step = config.uint({"decoder_sparse_step"}).value_or(1);
  const std::vector<std::int64_t> listed =
      read_ids(config.find({"mlp_only_layers"}), config.file());
  std::vector<std::uint32_t> dense;
  for (std::uint32_t i = 0; i < layers; ++i) {
    const bool sparse = step != 0 && (i + 1) % step == 0;
    const bool named = std::find(listed.begin(), listed.end(), i) != listed.end();
    if (named || !sparse) dense.push_back(i);
  }
  return dense;
}

std::optional<ExpertSpec> read_experts(const ConfigReader& config, const ExpertTraits& traits,
                                       const StackSpec& stack) {
  ExpertSpec experts;
  experts.count = config.uint({"num_local_experts", "num_experts"}).value_or(traits.count);
  experts.used = config.uint({"num_experts_per_tok"}).value_or(traits.used);
  experts.ffn = traits.own_width ? config.need_uint({"moe_intermediate_size"}) : stack.ffn;
  experts.normalize = config.boolean({"norm_topk_prob"}).value_or(traits.normalize);
  experts.dense_layers = read_dense_layers(config, stack.layers.size());
  const bool none = experts.count == 0 || experts.dense_layers.size() == stack.layers.size();
  return none ? std::nullopt : std::optional(std::move(experts));
}

StackSpec read_stack(const ConfigReader& config, const Family& family, const StackTraits& traits,
                     std::uint32_t width, std::uint32_t layers) {
  StackSpec stack = make_stack(family, traits);
  stack.norm_eps = config.number({"rms_norm_eps", "layer_norm_eps", "layer_norm_epsilon"})
                       .value_or(family.norm_eps);
  stack.layers.resize(std::min(layers, 4096u));  // check_spec refuses more than it allows
  read_heads(config, family, width, stack);
  read_activation(config, stack);
  stack.ffn = config.uint({"intermediate_size", "n_inner", "d_ff"}).value_or(4 * width);
  if (family.experts != nullptr) stack.experts = read_experts(config, *family.experts, stack);
  if (stack.position == PositionKind::rope) read_rope(config, family, stack);
  if (stack.position == PositionKind::relative) {
    stack.relative_buckets = config.uint({"relative_attention_num_buckets"}).value_or(32);
    stack.relative_max_distance = config.uint({"relative_attention_max_distance"}).value_or(128);
  }
  return stack;
}

std::int64_t first_id(const std::vector<std::int64_t>& ids) {
  return ids.empty() ? -1 : ids.front();
}

// A config with a part for text has its special tokens there or outside.
void read_special_tokens(const ConfigReader& outer, const ConfigReader& config,
                         const Json& generation, ModelSpec& spec) {
  const auto ids = [&](std::string_view key) {
    const Json* inner = config.find({key});
    return read_ids(inner != nullptr ? inner : outer.find({key}), config.file());
  };
  spec.bos = first_id(ids("bos_token_id"));
  spec.pad = first_id(ids("pad_token_id"));
  spec.decoder_start = first_id(ids("decoder_start_token_id"));
  spec.eos = ids("eos_token_id");
  if (!generation.is_object()) return;
  // generation_config.json is the later word on what ends a reply.
  const ConfigReader later(generation, "generation_config.json");
  auto eos = read_ids(later.find({"eos_token_id"}), later.file());
  if (!eos.empty()) spec.eos = std::move(eos);
  if (spec.decoder_start < 0) {
    spec.decoder_start = first_id(read_ids(later.find({"decoder_start_token_id"}), later.file()));
  }
}

void read_embedding(const ConfigReader& config, const Family& family, ModelSpec& spec) {
  spec.embedding_norm = family.embedding_norm;
  if (family.scale_embedding) spec.embedding_scale = std::sqrt(static_cast<double>(spec.width));
  const StackTraits& traits = family.decoder != nullptr ? *family.decoder : *family.encoder;
  if (traits.position == PositionKind::learned) spec.learned_positions = spec.context_length;
  spec.token_types = config.uint({"type_vocab_size"}).value_or(family.defaults.token_types);
}

void read_head(const ConfigReader& config, const Family& family, ModelSpec& spec) {
  spec.has_head = family.has_head;
  const bool tied = config.boolean({"tie_word_embeddings"}).value_or(family.tied_by_default);
  spec.tied_head = family.has_head && tied;
  spec.logit_softcap = config.number({"final_logit_softcapping"}).value_or(0.0);
  // T5 v1.0 scales its hidden states before the tied head; newer configs say so, older ones imply
  // it.
  const bool relative = spec.decoder && spec.decoder->position == PositionKind::relative;
  if (relative && config.boolean({"scale_decoder_outputs"}).value_or(tied)) {
    spec.logit_scale = 1.0 / std::sqrt(static_cast<double>(spec.width));
  }
}

// Gemma 3 with vision keeps the text model's config inside.
const Json& text_part(const Json& config) {
  const auto found = config.find("text_config");
  return found != config.end() && found->is_object() ? *found : config;
}

std::uint32_t context_length(const ConfigReader& config, const Family& family) {
  const auto stated = config.uint({"max_position_embeddings", "n_positions", "n_ctx"});
  if (stated) return *stated;
  const StackTraits& traits = family.decoder != nullptr ? *family.decoder : *family.encoder;
  if (traits.position == PositionKind::learned) {
    fail_malformed(config.file(), "'max_position_embeddings' is missing");
  }
  return config.uint({"n_positions"})
      .value_or(traits.position == PositionKind::relative ? 512 : 131072);
}

}  // namespace

ModelSpec spec_from_config(const Json& config_json, const Json& generation, std::string_view file) {
  const ConfigReader outer(config_json, file);
  const auto type = outer.text({"model_type"});
  if (!type) fail_malformed(file, "'model_type' is missing");
  const Family* family = find_family_of_config(*type);
  if (family == nullptr) fail_unsupported(file, fmt::format("model type '{}' is not known", *type));
  const ConfigReader config(text_part(config_json), file);
  for (const ConfigReader* part : {&outer, &config}) {
    refuse_unknown_options(*part, kExpected);
    if (family->experts == nullptr) refuse_unknown_options(*part, kNoExperts);
  }

  ModelSpec spec;
  spec.family = family->name;
  spec.vocab = config.uint({"vocab_size"}).value_or(0);
  if (spec.vocab == 0) spec.vocab = outer.uint({"vocab_size"}).value_or(family->defaults.vocab);
  if (spec.vocab == 0) fail_malformed(file, "'vocab_size' is missing");
  spec.width = config.need_uint({"hidden_size", "n_embd", "d_model"});
  spec.context_length = context_length(config, *family);
  const std::uint32_t layers = config.need_uint({"num_hidden_layers", "n_layer", "num_layers"});
  if (family->encoder != nullptr) {
    spec.encoder = read_stack(config, *family, *family->encoder, spec.width, layers);
  }
  if (family->decoder != nullptr) {
    const auto own = config.uint({"num_decoder_layers"});
    spec.decoder = read_stack(config, *family, *family->decoder, spec.width, own.value_or(layers));
  }
  read_embedding(config, *family, spec);
  read_head(config, *family, spec);
  read_special_tokens(outer, config, generation, spec);
  check_spec(spec, file);
  return spec;
}

}  // namespace halfbyte
