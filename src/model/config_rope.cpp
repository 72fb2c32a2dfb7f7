#include "model/config_rope.h"

#include <cmath>

#include <fmt/format.h>

#include "base/error.h"

namespace halfbyte {

namespace {

struct ScalingName {
  std::string_view name;
  RopeScaling scaling;
};
constexpr ScalingName kScalings[] = {
    {"default", RopeScaling::none},    {"linear", RopeScaling::linear},
    {"dynamic", RopeScaling::dynamic}, {"llama3", RopeScaling::llama3},
    {"yarn", RopeScaling::yarn},
};

RopeScaling scaling_by_name(std::string_view name, std::string_view file) {
  for (const ScalingName& row : kScalings) {
    if (row.name == name) return row.scaling;
  }
  fail_unsupported(file, fmt::format("the rope scaling '{}' is not known", name));
}

double yarn_mscale(double factor, double mscale) {
  return factor <= 1.0 ? 1.0 : 0.1 * mscale * std::log(factor) + 1.0;
}

// yarn's factor on cos and sin (YaRN, section 3.4; DeepSeek's mscale pair where both are given).
double yarn_attention_factor(const ConfigReader& scaling, double factor) {
  if (auto stated = scaling.number({"attention_factor"})) return *stated;
  const double mscale = scaling.number({"mscale"}).value_or(0.0);
  const double all_dim = scaling.number({"mscale_all_dim"}).value_or(0.0);
  if (mscale != 0.0 && all_dim != 0.0) {
    return yarn_mscale(factor, mscale) / yarn_mscale(factor, all_dim);
  }
  return yarn_mscale(factor, 1.0);
}

void read_scaling(const ConfigReader& scaling, const ConfigReader& config, RopeSpec& rope) {
  const auto type = scaling.text({"rope_type", "type"});
  rope.scaling = scaling_by_name(type.value_or("default"), config.file());
  if (rope.scaling == RopeScaling::none) return;
  const auto context = config.uint({"max_position_embeddings"});
  const auto original = scaling.uint({"original_max_position_embeddings"});
  rope.original_context = original.value_or(context.value_or(0));
  if (rope.scaling == RopeScaling::dynamic) rope.original_context = context.value_or(0);
  double implied = 1.0;
  if (original && context && *original != 0) implied = static_cast<double>(*context) / *original;
  rope.factor = scaling.number({"factor"}).value_or(implied);
  if (rope.scaling == RopeScaling::llama3) {
    rope.low_freq_factor = scaling.number({"low_freq_factor"}).value_or(1.0);
    rope.high_freq_factor = scaling.number({"high_freq_factor"}).value_or(4.0);
  }
  if (rope.scaling == RopeScaling::yarn) {
    const double fast = scaling.number({"beta_fast"}).value_or(0.0);
    const double slow = scaling.number({"beta_slow"}).value_or(0.0);
    rope.beta_fast = fast == 0.0 ? 32.0 : fast;
    rope.beta_slow = slow == 0.0 ? 1.0 : slow;
    rope.truncate = scaling.boolean({"truncate"}).value_or(true);
    rope.attention_factor = yarn_attention_factor(scaling, rope.factor);
  }
}

// One rope from an object of the new form, or from the flat keys of the old.
RopeSpec read_one(const ConfigReader& parameters, const ConfigReader& config,
                  const StackSpec& stack, double default_theta) {
  RopeSpec rope;
  rope.theta = parameters.number({"rope_theta"})
                   .value_or(config.number({"rope_theta"}).value_or(default_theta));
  double share = config.number({"partial_rotary_factor"}).value_or(1.0);
  share = parameters.number({"partial_rotary_factor"}).value_or(share);
  if (!(share > 0.0 && share <= 1.0)) {
    fail_malformed(config.file(), "'partial_rotary_factor' is not between 0 and 1");
  }
  rope.dim = static_cast<std::uint32_t>(stack.head_dim * share);
  read_scaling(parameters, config, rope);
  return rope;
}

// Whether each layer slides: from layer_types, or from the older keys.
std::vector<bool> sliding_layers(const ConfigReader& config, const Family& family,
                                 std::size_t layers) {
  std::vector<bool> slides(layers, false);
  if (const Json* types = config.find({"layer_types"})) {
    if (!types->is_array() || types->size() != layers) {
      fail_malformed(config.file(), "'layer_types' does not list every layer");
    }
    for (std::size_t i = 0; i < layers; ++i) {
      const Json& type = (*types)[i];
      const std::string name = type.is_string() ? type.get<std::string>() : std::string();
      slides[i] = name == "sliding_attention";
      if (!slides[i] && name != "full_attention") {
        fail_unsupported(config.file(), fmt::format("the layer type '{}' is not known", name));
      }
    }
    return slides;
  }
  const std::uint32_t pattern = config.uint({"sliding_window_pattern", "_sliding_window_pattern"})
                                    .value_or(family.window_pattern);
  const std::uint32_t first =
      config.uint({"max_window_layers"}).value_or(family.defaults.max_window_layers);
  for (std::size_t i = 0; i < layers; ++i) {
    slides[i] = pattern > 0 ? (i + 1) % pattern != 0 : i >= first;
  }
  return slides;
}

void read_windows(const ConfigReader& config, const Family& family, StackSpec& stack) {
  const bool unsaid = !config.json().contains("sliding_window");  // null is said: no window
  std::uint32_t window =
      config.uint({"sliding_window"}).value_or(unsaid ? family.defaults.window : 0);
  if (!config.boolean({"use_sliding_window"}).value_or(family.defaults.slides)) window = 0;
  const bool two_ropes = stack.ropes.size() > 1;
  if (window == 0 && !two_ropes) return;
  const std::vector<bool> slides = sliding_layers(config, family, stack.layers.size());
  for (std::size_t i = 0; i < slides.size(); ++i) {
    stack.layers[i].window = slides[i] ? window : 0;
    stack.layers[i].rope = slides[i] && two_ropes ? 1 : 0;
  }
}

}  // namespace

// ropes[0] serves full attention, ropes[1] (where there are two bases) the sliding layers.
void read_rope(const ConfigReader& config, const Family& family, StackSpec& stack) {
  const Json* parameters = config.find({"rope_parameters"});
  const Json* full = parameters != nullptr ? parameters : config.find({"rope_scaling"});
  const Json* sliding = nullptr;
  const Json nothing = Json::object();
  if (parameters != nullptr && parameters->is_object() && parameters->contains("full_attention")) {
    full = &(*parameters)["full_attention"];
    const auto found = parameters->find("sliding_attention");
    if (found != parameters->end()) sliding = &*found;
  }
  const ConfigReader full_reader(full != nullptr ? *full : nothing, config.file());
  stack.ropes.push_back(read_one(full_reader, config, stack, family.rope_theta));
  if (sliding != nullptr) {
    const ConfigReader reader(*sliding, config.file());
    stack.ropes.push_back(read_one(reader, config, stack, family.local_rope_theta));
  } else if (family.local_rope_theta > 0.0) {
    RopeSpec local;
    local.dim = stack.ropes[0].dim;
    local.theta = config.number({"rope_local_base_freq"}).value_or(family.local_rope_theta);
    stack.ropes.push_back(local);
  }
  read_windows(config, family, stack);
}

}  // namespace halfbyte
