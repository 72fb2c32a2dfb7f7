// Reading of GGUF metadata. Writing is in write_gguf.cpp.
#include "model/config_gguf.h"

#include <charconv>
#include <cmath>

#include <fmt/format.h>

#include "base/error.h"
#include "base/json.h"

namespace halfbyte {

namespace {

// Files store numbers as f32; the number meant is the shortest decimal that rounds to it (1e-05
// where the nearest f32 is 9.99999975e-06).
double as_meant(double stored) {
  const auto narrow = static_cast<float>(stored);
  if (static_cast<double>(narrow) != stored || !std::isfinite(narrow)) return stored;
  const std::string decimal = fmt::format("{}", narrow);
  double meant = stored;
  std::from_chars(decimal.data(), decimal.data() + decimal.size(), meant);
  return meant;
}

// Keys "<arch>.NAME" of one file.
class ArchKeys {
 public:
  ArchKeys(const Metadata& metadata, std::string_view arch) : metadata_(metadata), arch_(arch) {}

  std::string key(std::string_view name) const { return fmt::format("{}.{}", arch_, name); }

  std::optional<std::uint32_t> uint(std::string_view name) const {
    const auto value = metadata_.get_uint(key(name));
    if (value && *value > UINT32_MAX) {
      fail_malformed(metadata_.file, fmt::format("'{}' is {}", key(name), *value));
    }
    return value ? std::optional(static_cast<std::uint32_t>(*value)) : std::nullopt;
  }
  std::uint32_t need_uint(std::string_view name) const {
    const auto value = uint(name);
    if (!value) fail_malformed(metadata_.file, fmt::format("'{}' is missing", key(name)));
    return *value;
  }
  std::optional<double> number(std::string_view name) const {
    const auto value = metadata_.get_number(key(name));
    return value ? std::optional(as_meant(*value)) : std::nullopt;
  }
  std::optional<std::string_view> text(std::string_view name) const {
    return metadata_.get_string(key(name));
  }
  // A count that some files give once and some for each layer; layers must agree.
  std::optional<std::uint32_t> uniform_uint(std::string_view name) const {
    const MetaValue* value = metadata_.find(key(name));
    if (value == nullptr || value->type != MetaType::array) return uint(name);
    const std::vector<std::int64_t> all = metadata_.get_ints(key(name));
    for (const std::int64_t x : all) {
      if (x != all.front() || x < 0 || x > UINT32_MAX) {
        fail_unsupported(metadata_.file, fmt::format("'{}' differs between layers", key(name)));
      }
    }
    return all.empty() ? std::nullopt : std::optional(static_cast<std::uint32_t>(all.front()));
  }
  const Metadata& metadata() const { return metadata_; }

 private:
  const Metadata& metadata_;
  std::string_view arch_;
};

struct ScalingName {
  std::string_view name;
  RopeScaling scaling;
};
constexpr ScalingName kScalings[] = {
    {"none", RopeScaling::none}, {"linear", RopeScaling::linear}, {"yarn", RopeScaling::yarn}};

RopeSpec read_rope(const ArchKeys& keys, const StackSpec& stack, const GgufFacts& facts,
                   std::uint32_t context) {
  RopeSpec rope;
  rope.theta = keys.number("rope.freq_base").value_or(10000.0);
  rope.dim = keys.uint("rope.dimension_count").value_or(stack.head_dim);
  rope.divisors = facts.rope_divisors;
  const std::string_view type = keys.text("rope.scaling.type").value_or("");
  // Files older than rope.scaling.* give a linear scale alone.
  const double linear = keys.number("rope.scale_linear").value_or(1.0);
  rope.factor = keys.number("rope.scaling.factor").value_or(linear);
  if (type.empty()) {
    if (rope.factor != 1.0 && rope.factor != 0.0) rope.scaling = RopeScaling::linear;
  } else {
    bool known = false;
    for (const ScalingName& row : kScalings) {
      if (row.name != type) continue;
      rope.scaling = row.scaling;
      known = true;
    }
    if (!known) {
      fail_unsupported(keys.metadata().file,
                       fmt::format("the rope scaling '{}' is not known", type));
    }
  }
  if (rope.scaling == RopeScaling::none) {
    rope.factor = 1.0;
    return rope;
  }
  rope.original_context = keys.uint("rope.scaling.original_context_length").value_or(context);
  if (rope.scaling == RopeScaling::yarn) {
    rope.beta_fast = keys.number("rope.scaling.yarn_beta_fast").value_or(32.0);
    rope.beta_slow = keys.number("rope.scaling.yarn_beta_slow").value_or(1.0);
    const double own = keys.number("rope.scaling.yarn_attn_factor")
                           .value_or(keys.number("rope.scaling.attn_factor").value_or(1.0));
    rope.attention_factor = own * (rope.factor > 1.0 ? 0.1 * std::log(rope.factor) + 1.0 : 1.0);
  }
  return rope;
}

void read_windows(const ArchKeys& keys, const Family& family, StackSpec& stack) {
  const std::uint32_t window = keys.uint("attention.sliding_window").value_or(0);
  const bool two_ropes = stack.ropes.size() > 1;
  if (window == 0 && !two_ropes) return;
  std::uint32_t pattern = family.window_pattern;
  std::vector<std::int64_t> listed;
  const MetaValue* stated = keys.metadata().find(keys.key("attention.sliding_window_pattern"));
  if (stated != nullptr && stated->type == MetaType::array) {
    listed = keys.metadata().get_ints(keys.key("attention.sliding_window_pattern"));
  } else if (stated != nullptr) {
    pattern = keys.need_uint("attention.sliding_window_pattern");
  }
  for (std::size_t i = 0; i < stack.layers.size(); ++i) {
    bool slides = pattern == 0 || (i + 1) % pattern != 0;
    if (i < listed.size()) slides = listed[i] != 0;
    stack.layers[i].window = slides ? window : 0;
    stack.layers[i].rope = slides && two_ropes ? 1 : 0;
  }
}

ExpertSpec read_experts(const ArchKeys& keys, const ExpertTraits& traits, const GgufFacts& facts,
                        const StackSpec& stack) {
  ExpertSpec experts;
  experts.count = keys.need_uint("expert_count");
  experts.used = keys.need_uint("expert_used_count");
  experts.ffn = stack.ffn;
  if (traits.own_width) {
    const std::uint32_t share = stack.ffn / std::max(1u, experts.used);
    experts.ffn = keys.uint("expert_feed_forward_length").value_or(share);
  }
  const auto normalize = keys.metadata().get_bool(keys.key("expert_weights_norm"));
  experts.normalize = normalize.value_or(traits.gguf_normalizes);
  experts.dense_layers = facts.dense_layers;
  return experts;
}

StackSpec read_stack(const ArchKeys& keys, const Family& family, const StackTraits& traits,
                     const GgufFacts& facts, const ModelSpec& spec, std::uint32_t layers) {
  StackSpec stack = make_stack(family, traits);
  stack.norm_offset = 0.0f;                      // files hold the sum
  stack.layers.resize(std::min(layers, 4096u));  // check_spec refuses more than it allows
  const bool rms = traits.norm == NormKind::rms;
  stack.norm_eps =
      keys.number(rms ? "attention.layer_norm_rms_epsilon" : "attention.layer_norm_epsilon")
          .value_or(family.norm_eps);
  stack.heads = keys.uniform_uint("attention.head_count").value_or(0);
  if (stack.heads == 0)
    fail_malformed(keys.metadata().file, "the number of attention heads is missing");
  stack.kv_heads = keys.uniform_uint("attention.head_count_kv").value_or(stack.heads);
  stack.head_dim = keys.uint("attention.key_length").value_or(spec.width / stack.heads);
  if (keys.uint("attention.value_length").value_or(stack.head_dim) != stack.head_dim) {
    fail_unsupported(keys.metadata().file, "keys and values of different length");
  }
  const double scale =
      family.unit_attention_scale ? 1.0 : 1.0 / std::sqrt(std::max(1u, stack.head_dim));
  stack.attention_scale = keys.number("attention.scale").value_or(scale);
  stack.attention_softcap = keys.number("attn_logit_softcapping").value_or(0.0);
  stack.ffn = keys.uniform_uint("feed_forward_length").value_or(0);
  if (family.experts != nullptr) stack.experts = read_experts(keys, *family.experts, facts, stack);
  if (traits.position == PositionKind::relative) {
    stack.relative_buckets = keys.uint("attention.relative_buckets_count").value_or(32);
    stack.relative_max_distance = 128;
    stack.gated = facts.gated;
    if (facts.gated) stack.activation = Activation::gelu_tanh;
  }
  if (traits.position == PositionKind::rope) {
    stack.rope_interleaved = family.gguf_interleaves_rope;
    stack.ropes.push_back(read_rope(keys, stack, facts, spec.context_length));
    if (family.local_rope_theta > 0.0) {
      RopeSpec local;
      local.dim = stack.ropes[0].dim;
      local.theta = keys.number("rope.freq_base_swa").value_or(family.local_rope_theta);
      stack.ropes.push_back(local);
    }
    read_windows(keys, family, stack);
  }
  return stack;
}

std::int64_t token_id(const Metadata& metadata, std::string_view key) {
  return metadata.get_int(key).value_or(-1);
}

void read_tokens(const Metadata& metadata, ModelSpec& spec) {
  spec.bos = token_id(metadata, "tokenizer.ggml.bos_token_id");
  spec.pad = token_id(metadata, "tokenizer.ggml.padding_token_id");
  for (const std::string_view key :
       {"tokenizer.ggml.eos_token_id", "tokenizer.ggml.eot_token_id"}) {
    const std::int64_t id = token_id(metadata, key);
    if (id >= 0) spec.eos.push_back(id);
  }
}

}  // namespace

ModelSpec spec_from_gguf(const Metadata& metadata, const GgufFacts& facts) {
  if (const auto own = metadata.get_string("halfbyte.model")) {
    return spec_from_json(parse_json(*own, metadata.file), metadata.file);
  }
  const auto arch = metadata.get_string("general.architecture");
  if (!arch) fail_malformed(metadata.file, "'general.architecture' is missing");
  const ArchKeys keys(metadata, *arch);
  const bool experts = keys.uint("expert_count").value_or(0) > 0;
  const Family* family = find_family_of_gguf(*arch, experts);
  if (family == nullptr) {
    fail_unsupported(metadata.file, fmt::format("architecture '{}' {} experts is not known", *arch,
                                                experts ? "with" : "without"));
  }
  ModelSpec spec;
  spec.family = family->name;
  spec.vocab = static_cast<std::uint32_t>(std::min<std::uint64_t>(facts.vocab, UINT32_MAX));
  spec.width = keys.need_uint("embedding_length");
  spec.context_length = keys.uint("context_length").value_or(2048);
  const std::uint32_t layers = keys.need_uint("block_count");
  if (family->encoder != nullptr) {
    spec.encoder = read_stack(keys, *family, *family->encoder, facts, spec, layers);
  }
  if (family->decoder != nullptr) {
    const std::uint32_t own = keys.uint("decoder_block_count").value_or(layers);
    spec.decoder = read_stack(keys, *family, *family->decoder, facts, spec, own);
  }
  spec.has_head = family->has_head;
  spec.tied_head = family->has_head && !facts.has_output;
  spec.embedding_norm = family->embedding_norm;
  if (family->scale_embedding) spec.embedding_scale = std::sqrt(static_cast<double>(spec.width));
  spec.logit_softcap = keys.number("final_logit_softcapping").value_or(0.0);
  const bool relative = spec.decoder && spec.decoder->position == PositionKind::relative;
  if (relative && spec.tied_head)
    spec.logit_scale = 1.0 / std::sqrt(static_cast<double>(spec.width));
  spec.learned_positions =
      static_cast<std::uint32_t>(std::min<std::uint64_t>(facts.positions, UINT32_MAX));
  spec.token_types =
      static_cast<std::uint32_t>(std::min<std::uint64_t>(facts.token_types, UINT32_MAX));
  spec.decoder_start = keys.uint("decoder_start_token_id").value_or(relative ? 0 : UINT32_MAX);
  if (spec.decoder_start == UINT32_MAX) spec.decoder_start = -1;
  read_tokens(metadata, spec);
  check_spec(spec, metadata.file);
  return spec;
}

ModelSpec gguf_spec(const ModelSpec& spec) {
  ModelSpec out = spec;
  const Family* family = find_family(spec.family);
  for (auto* stack : {&out.encoder, &out.decoder}) {
    if (!*stack) continue;
    (*stack)->norm_offset = 0.0f;
    (*stack)->rope_interleaved = family != nullptr && family->gguf_interleaves_rope;
  }
  return out;
}

ModelSpec published_spec(const ModelSpec& spec) {
  ModelSpec out = spec;
  const Family* family = find_family(spec.family);
  for (auto* stack : {&out.encoder, &out.decoder}) {
    if (!*stack) continue;
    (*stack)->norm_offset = family != nullptr ? family->norm_offset : 0.0f;
    (*stack)->rope_interleaved = false;
  }
  return out;
}

}  // namespace halfbyte
