// Writing of published configs. That nothing is lost is checked by reading the result back.
#include "model/write_hf.h"

#include <algorithm>
#include <cmath>

#include <fmt/format.h>

#include "base/error.h"
#include "model/config_hf.h"
#include "model/families.h"
#include "model/rope.h"

namespace halfbyte {

namespace {

// How a manner of config spells what all of them have; "" where it has no such key.
struct ConfigKeys {
  std::string_view family;  // "" = all that have no row of their own
  std::string_view width, ffn, layers, heads, kv_heads, head_dim, context, eps, activation;
};
constexpr ConfigKeys kKeys[] = {
    {"gpt2", "n_embd", "n_inner", "n_layer", "n_head", "", "", "n_positions", "layer_norm_epsilon",
     "activation_function"},
    {"bert", "hidden_size", "intermediate_size", "num_hidden_layers", "num_attention_heads", "", "",
     "max_position_embeddings", "layer_norm_eps", "hidden_act"},
    {"t5", "d_model", "d_ff", "num_layers", "num_heads", "", "d_kv", "n_positions",
     "layer_norm_epsilon", ""},
    {"gemma3", "hidden_size", "intermediate_size", "num_hidden_layers", "num_attention_heads",
     "num_key_value_heads", "head_dim", "max_position_embeddings", "rms_norm_eps",
     "hidden_activation"},
    {"", "hidden_size", "intermediate_size", "num_hidden_layers", "num_attention_heads",
     "num_key_value_heads", "head_dim", "max_position_embeddings", "rms_norm_eps", "hidden_act"},
};

// In the order of the enums.
constexpr std::string_view kActivations[] = {"relu", "gelu", "gelu_pytorch_tanh", "silu",
                                             "quick_gelu"};
constexpr std::string_view kScalings[] = {"default", "linear", "dynamic", "llama3", "yarn"};

const ConfigKeys& keys_of(std::string_view family) {
  return *std::find_if(std::begin(kKeys), std::end(kKeys), [&](const ConfigKeys& keys) {
    return keys.family == family || keys.family.empty();
  });
}

template <typename T>
void put(Json& json, std::string_view key, const T& value) {
  if (!key.empty()) json[std::string(key)] = value;
}

void put_ids(Json& json, const ModelSpec& spec) {
  if (spec.bos >= 0) json["bos_token_id"] = spec.bos;
  if (spec.eos.size() == 1) json["eos_token_id"] = spec.eos.front();
  if (spec.eos.size() > 1) json["eos_token_id"] = spec.eos;
  if (spec.pad >= 0) json["pad_token_id"] = spec.pad;
  if (spec.decoder_start >= 0) json["decoder_start_token_id"] = spec.decoder_start;
}

std::string_view dtype_name(DType dtype) {
  if (dtype == DType::f16) return "float16";
  return dtype == DType::bf16 ? "bfloat16" : "float32";
}

// A table of divisors that is llama3's for some original context (GGUF files keep only the table).
RopeSpec as_published(RopeSpec rope) {
  if (rope.divisors.empty()) return rope;
  RopeSpec guess = rope;
  guess.divisors.clear();
  guess.scaling = RopeScaling::llama3;
  guess.factor = *std::max_element(rope.divisors.begin(), rope.divisors.end());
  for (std::uint32_t context = 16; context <= 1u << 20; context *= 2) {
    guess.original_context = context;
    const std::vector<float> divisors = llama3_divisors(guess);
    const bool same =
        std::equal(divisors.begin(), divisors.end(), rope.divisors.begin(), rope.divisors.end(),
                   [](float a, float b) { return std::abs(a - b) <= 1e-4f * std::abs(b); });
    if (same && rope.scaling == RopeScaling::none) return guess;
  }
  fail_unsupported("", "no config.json can hold this model's table of rope frequencies");
}

Json scaling_of(const RopeSpec& rope) {
  Json json = {{"rope_type", kScalings[static_cast<std::size_t>(rope.scaling)]}};
  if (rope.scaling == RopeScaling::none) return json;
  json["factor"] = rope.factor;
  if (rope.scaling == RopeScaling::llama3 || rope.scaling == RopeScaling::yarn) {
    json["original_max_position_embeddings"] = rope.original_context;
  }
  if (rope.scaling == RopeScaling::llama3) {
    json["low_freq_factor"] = rope.low_freq_factor;
    json["high_freq_factor"] = rope.high_freq_factor;
  }
  if (rope.scaling == RopeScaling::yarn) {
    json["beta_fast"] = rope.beta_fast;
    json["beta_slow"] = rope.beta_slow;
    json["attention_factor"] = rope.attention_factor;
    json["truncate"] = rope.truncate;
  }
  return json;
}

Json parameters_of(const RopeSpec& rope, const StackSpec& stack) {
  Json json = scaling_of(rope);
  json["rope_theta"] = rope.theta;
  if (rope.dim != stack.head_dim) {
    json["partial_rotary_factor"] = static_cast<double>(rope.dim) / stack.head_dim;
  }
  return json;
}

void put_rope(Json& json, const StackSpec& stack) {
  const RopeSpec rope = as_published(stack.ropes.front());
  if (stack.ropes.size() > 1) {
    json["rope_parameters"] = {
        {"full_attention", parameters_of(rope, stack)},
        {"sliding_attention", parameters_of(as_published(stack.ropes[1]), stack)}};
    json["rope_local_base_freq"] = stack.ropes[1].theta;
  } else {
    json["rope_parameters"] = parameters_of(rope, stack);
  }
  json["rope_theta"] = rope.theta;
  if (rope.dim != stack.head_dim) {
    json["partial_rotary_factor"] = static_cast<double>(rope.dim) / stack.head_dim;
  }
  json["rope_scaling"] = nullptr;
  if (rope.scaling == RopeScaling::none) return;
  Json old = scaling_of(rope);
  old["type"] = old["rope_type"];
  json["rope_scaling"] = std::move(old);
}

void put_windows(Json& json, const StackSpec& stack) {
  std::uint32_t window = 0;
  bool all = true;
  Json types = Json::array();
  for (const LayerSpec& layer : stack.layers) {
    window = std::max(window, layer.window);
    const bool slides = layer.window > 0 || layer.rope > 0;
    all = all && slides;
    types.push_back(slides ? "sliding_attention" : "full_attention");
  }
  // Absent, it is 4096 to readers of some families.
  json["sliding_window"] = window > 0 ? Json(window) : Json(nullptr);
  const bool mixed = (window > 0 && !all) || stack.ropes.size() > 1;
  if (mixed) json["layer_types"] = std::move(types);
}

// Qwen's configs ask twice whether to slide.
void put_qwen_windows(Json& json, const StackSpec& stack) {
  const auto first = std::find_if(stack.layers.begin(), stack.layers.end(),
                                  [](const LayerSpec& layer) { return layer.window > 0; });
  json["use_sliding_window"] = first != stack.layers.end();
  json["max_window_layers"] = first - stack.layers.begin();
}

void put_t5(Json& json, const ModelSpec& spec, const StackSpec& stack) {
  json["num_decoder_layers"] = spec.decoder->layers.size();
  json["relative_attention_num_buckets"] = stack.relative_buckets;
  json["relative_attention_max_distance"] = stack.relative_max_distance;
  json["is_encoder_decoder"] = true;
  json["scale_decoder_outputs"] = spec.logit_scale != 1.0;
  std::string activation(kActivations[static_cast<std::size_t>(stack.activation)]);
  if (stack.activation == Activation::gelu_tanh) activation = stack.gated ? "gelu" : "gelu_new";
  json["feed_forward_proj"] = (stack.gated ? "gated-" : "") + activation;
}

void put_gemma3(Json& json, const StackSpec& stack) {
  const double per_head = 1.0 / (stack.attention_scale * stack.attention_scale);
  const double whole = std::round(per_head);
  const bool exact = 1.0 / std::sqrt(whole) == stack.attention_scale;
  json["query_pre_attn_scalar"] = exact ? Json(static_cast<std::uint64_t>(whole)) : Json(per_head);
  json["attn_logit_softcapping"] =
      stack.attention_softcap != 0.0 ? Json(stack.attention_softcap) : Json(nullptr);
}

void put_experts(Json& json, const ExpertSpec& experts, const ExpertTraits& traits) {
  json["num_experts_per_tok"] = experts.used;
  if (!traits.own_width) {
    json["num_local_experts"] = experts.count;
    return;
  }
  json["num_experts"] = experts.count;
  json["moe_intermediate_size"] = experts.ffn;
  json["norm_topk_prob"] = experts.normalize;
  json["decoder_sparse_step"] = 1;
  json["mlp_only_layers"] = experts.dense_layers;
}

void put_family_keys(Json& json, const ModelSpec& spec, const HfFacts& facts) {
  const StackSpec& stack = spec.encoder ? *spec.encoder : *spec.decoder;
  if (!stack.ropes.empty()) {
    put_rope(json, stack);
    put_windows(json, stack);
    json["attention_bias"] = facts.attention_bias;
  }
  if (spec.family == "llama") json["mlp_bias"] = facts.mlp_bias;
  if (spec.family.starts_with("qwen")) put_qwen_windows(json, stack);
  if (stack.experts) put_experts(json, *stack.experts, *find_family(spec.family)->experts);
  if (spec.family == "gemma3") put_gemma3(json, stack);
  if (stack.position == PositionKind::relative) put_t5(json, spec, stack);
  if (spec.token_types > 0) json["type_vocab_size"] = spec.token_types;
  if (spec.logit_softcap != 0.0) json["final_logit_softcapping"] = spec.logit_softcap;
}

Json make_config(const ModelSpec& spec, const Family& family, const HfFacts& facts) {
  const ConfigKeys& keys = keys_of(spec.family);
  const StackSpec& stack = spec.encoder ? *spec.encoder : *spec.decoder;
  Json json = {{"architectures", {family.hf_class}},
               {"model_type", family.config_types.front()},
               {"vocab_size", spec.vocab}};
  put(json, keys.width, spec.width);
  put(json, keys.ffn, stack.ffn);
  put(json, keys.layers, stack.layers.size());
  put(json, keys.heads, stack.heads);
  put(json, keys.kv_heads, stack.kv_heads);
  put(json, keys.head_dim, stack.head_dim);
  put(json, keys.context, spec.context_length);
  put(json, keys.eps, stack.norm_eps);
  put(json, keys.activation, kActivations[static_cast<std::size_t>(stack.activation)]);
  put_family_keys(json, spec, facts);
  json["tie_word_embeddings"] = spec.tied_head || !spec.has_head;
  put_ids(json, spec);
  return json;
}

// The first field whose value differs, as a path.
std::string first_difference(const Json& a, const Json& b, const std::string& path) {
  if (a == b) return "";
  if (a.type() != b.type() || !a.is_structured() || a.size() != b.size()) return path;
  for (auto left = a.begin(), right = b.begin(); left != a.end(); ++left, ++right) {
    if (*left == *right) continue;
    const std::string key = a.is_object() ? left.key() : std::to_string(left - a.begin());
    return first_difference(*left, *right, path.empty() ? key : path + "." + key);
  }
  return path;
}

ModelSpec with_published_ropes(ModelSpec spec) {
  for (auto* stack : {&spec.encoder, &spec.decoder}) {
    if (!*stack) continue;
    for (RopeSpec& rope : (*stack)->ropes) rope = as_published(rope);
  }
  return spec;
}

void check_round_trip(const ModelSpec& spec, const Json& config) {
  const ModelSpec back = spec_from_config(config, nullptr, "config.json");
  const std::string field =
      first_difference(spec_to_json(with_published_ropes(spec)), spec_to_json(back), "");
  if (!field.empty()) {
    fail_unsupported(
        "", fmt::format("no config.json of a {} model can say its '{}'", spec.family, field));
  }
}

}  // namespace

Json config_from_spec(const ModelSpec& spec, const HfFacts& facts, const Json& source) {
  const Family* family = find_family(spec.family);
  if (family == nullptr) fail_unsupported("", fmt::format("family '{}' is not known", spec.family));
  // A config with a part for text describes more than the weights that are written.
  const bool kept = source.is_object() && !source.contains("text_config");
  Json json = kept ? source : make_config(spec, *family, facts);
  if (!kept) check_round_trip(spec, json);
  json["architectures"] = {family->hf_class};
  json.erase("quantization_config");  // the source's
  json["torch_dtype"] = dtype_name(facts.dtype);
  json["dtype"] = dtype_name(facts.dtype);
  if (!facts.quantization.is_null()) json["quantization_config"] = facts.quantization;
  return json;
}

Json generation_config_from_spec(const ModelSpec& spec) {
  Json json = {{"_from_model_config", true}};
  put_ids(json, spec);
  return json;
}

}  // namespace halfbyte
