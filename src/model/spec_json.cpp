// ModelSpec <-> JSON: one list of fields a struct, walked by a reader and a writer.
#include <type_traits>

#include <fmt/format.h>

#include "base/error.h"
#include "model/spec.h"

namespace halfbyte {

namespace {

// Spelling of the enums, in their order.
constexpr std::string_view kNorms[] = {"rms", "layer"};
constexpr std::string_view kPositions[] = {"none", "learned", "rope", "relative"};
constexpr std::string_view kScalings[] = {"none", "linear", "dynamic", "llama3", "yarn"};
constexpr std::string_view kActivations[] = {"relu", "gelu", "gelu_tanh", "silu", "quick_gelu"};

std::span<const std::string_view> spelling(NormKind) {
  return kNorms;
}
std::span<const std::string_view> spelling(PositionKind) {
  return kPositions;
}
std::span<const std::string_view> spelling(RopeScaling) {
  return kScalings;
}
std::span<const std::string_view> spelling(Activation) {
  return kActivations;
}

template <typename Visitor, typename T>
void visit_fields(Visitor& v, T& x) requires std::is_same_v<std::remove_const_t<T>, RopeSpec> {
  v("theta", x.theta);
  v("dim", x.dim);
  v("scaling", x.scaling);
  v("factor", x.factor);
  v("original_context", x.original_context);
  v("low_freq_factor", x.low_freq_factor);
  v("high_freq_factor", x.high_freq_factor);
  v("beta_fast", x.beta_fast);
  v("beta_slow", x.beta_slow);
  v("attention_factor", x.attention_factor);
  v("truncate", x.truncate);
  v("divisors", x.divisors);
}

template <typename Visitor, typename T>
void visit_fields(Visitor& v, T& x) requires std::is_same_v<std::remove_const_t<T>, LayerSpec> {
  v("window", x.window);
  v("rope", x.rope);
}

template <typename Visitor, typename T>
void visit_fields(Visitor& v, T& x) requires std::is_same_v<std::remove_const_t<T>, ExpertSpec> {
  v("count", x.count);
  v("used", x.used);
  v("ffn", x.ffn);
  v("normalize", x.normalize);
  v("shared_ffn", x.shared_ffn);
  v("dense_layers", x.dense_layers);
}

template <typename Visitor, typename T>
void visit_fields(Visitor& v, T& x) requires std::is_same_v<std::remove_const_t<T>, StackSpec> {
  v("layers", x.layers);
  v("norm", x.norm);
  v("norm_eps", x.norm_eps);
  v("norm_offset", x.norm_offset);
  v("pre_norm", x.pre_norm);
  v("sandwich_norm", x.sandwich_norm);
  v("qk_norm", x.qk_norm);
  v("final_norm", x.final_norm);
  v("heads", x.heads);
  v("kv_heads", x.kv_heads);
  v("head_dim", x.head_dim);
  v("attention_scale", x.attention_scale);
  v("attention_softcap", x.attention_softcap);
  v("causal", x.causal);
  v("cross_attention", x.cross_attention);
  v("position", x.position);
  v("rope_interleaved", x.rope_interleaved);
  v("ropes", x.ropes);
  v("relative_buckets", x.relative_buckets);
  v("relative_max_distance", x.relative_max_distance);
  v("ffn", x.ffn);
  v("activation", x.activation);
  v("gated", x.gated);
  v.rare("experts", x.experts);
}

template <typename Visitor, typename T>
void visit_fields(Visitor& v, T& x) requires std::is_same_v<std::remove_const_t<T>, ModelSpec> {
  v("family", x.family);
  v("vocab", x.vocab);
  v("width", x.width);
  v("context_length", x.context_length);
  v("encoder", x.encoder);
  v("decoder", x.decoder);
  v("has_head", x.has_head);
  v("tied_head", x.tied_head);
  v("embedding_scale", x.embedding_scale);
  v("logit_scale", x.logit_scale);
  v("logit_softcap", x.logit_softcap);
  v("embedding_norm", x.embedding_norm);
  v("learned_positions", x.learned_positions);
  v("token_types", x.token_types);
  v("decoder_start", x.decoder_start);
  v("bos", x.bos);
  v("eos", x.eos);
  v("pad", x.pad);
}

template <typename T>
concept Described = std::is_same_v<T, RopeSpec> || std::is_same_v<T, LayerSpec> ||
    std::is_same_v<T, ExpertSpec> || std::is_same_v<T, StackSpec> || std::is_same_v<T, ModelSpec>;

class Writer {
 public:
  Json object = Json::object();

  template <typename T>
  void operator()(const char* key, const T& value) {
    object[key] = to_json(value);
  }
  // What most models lack is not spelled out.
  template <typename T>
  void rare(const char* key, const std::optional<T>& value) {
    if (value) (*this)(key, *value);
  }

 private:
  template <typename T>
  static Json to_json(const T& value) {
    if constexpr (Described<T>) {
      Writer inner;
      visit_fields(inner, value);
      return inner.object;
    } else if constexpr (std::is_enum_v<T>) {
      return spelling(value)[static_cast<std::size_t>(value)];
    } else {
      return Json(value);
    }
  }
  template <typename T>
  static Json to_json(const std::optional<T>& value) {
    return value ? to_json(*value) : Json(nullptr);
  }
  template <typename T>
  static Json to_json(const std::vector<T>& values) {
    Json list = Json::array();
    for (const T& value : values) list.push_back(to_json(value));
    return list;
  }
};

class Reader {
 public:
  Reader(const Json& object, std::string_view file, std::string path)
      : object_(object), file_(file), path_(std::move(path)) {
    if (!object.is_object()) fail_malformed(file, fmt::format("'{}' is not an object", path_));
  }

  template <typename T>
  void operator()(const char* key, T& value) {
    const auto found = object_.find(key);
    const std::string where = path_ + "." + key;
    if (found == object_.end()) fail_malformed(file_, fmt::format("'{}' is missing", where));
    read(*found, value, where);
  }
  template <typename T>
  void rare(const char* key, std::optional<T>& value) {
    if (object_.contains(key)) (*this)(key, value);
  }

 private:
  [[noreturn]] void wrong(const std::string& where) const {
    fail_malformed(file_, fmt::format("'{}' has the wrong type", where));
  }

  template <typename T>
  void read(const Json& json, T& value, const std::string& where) const {
    if constexpr (Described<T>) {
      Reader inner(json, file_, where);
      visit_fields(inner, value);
    } else if constexpr (std::is_enum_v<T>) {
      read_enum(json, value, where);
    } else if constexpr (std::is_same_v<T, bool>) {
      if (!json.is_boolean()) wrong(where);
      value = json.get<bool>();
    } else if constexpr (std::is_integral_v<T>) {
      read_integer(json, value, where);
    } else if constexpr (std::is_floating_point_v<T>) {
      if (!json.is_number()) wrong(where);
      value = json.get<T>();
    } else {
      if (!json.is_string()) wrong(where);
      value = json.get<T>();
    }
  }
  template <typename T>
  void read_enum(const Json& json, T& value, const std::string& where) const {
    const auto names = spelling(value);
    for (std::size_t i = 0; json.is_string() && i < names.size(); ++i) {
      if (json.get_ref<const std::string&>() != names[i]) continue;
      value = static_cast<T>(i);
      return;
    }
    wrong(where);
  }
  template <typename T>
  void read_integer(const Json& json, T& value, const std::string& where) const {
    if (!json.is_number_integer()) wrong(where);
    const auto wide = json.get<std::int64_t>();
    value = static_cast<T>(wide);
    if (static_cast<std::int64_t>(value) != wide) wrong(where);
  }
  template <typename T>
  void read(const Json& json, std::optional<T>& value, const std::string& where) const {
    if (json.is_null()) return;
    read(json, value.emplace(), where);
  }
  template <typename T>
  void read(const Json& json, std::vector<T>& values, const std::string& where) const {
    if (!json.is_array()) wrong(where);
    for (const Json& item : json) read(item, values.emplace_back(), where);
  }

  const Json& object_;
  std::string_view file_;
  std::string path_;
};

}  // namespace

Json spec_to_json(const ModelSpec& spec) {
  Writer writer;
  visit_fields(writer, spec);
  return writer.object;
}

ModelSpec spec_from_json(const Json& json, std::string_view file) {
  ModelSpec spec;
  Reader reader(json, file, "model");
  visit_fields(reader, spec);
  check_spec(spec, file);
  return spec;
}

}  // namespace halfbyte
