#include "formats/group_config.h"

#include <algorithm>

#include <fmt/format.h>

#include "base/error.h"
#include "formats/checks.h"

namespace halfbyte {

namespace {

constexpr std::string_view kKey = "quantization_config";
constexpr std::int64_t kWholeRow = -1;  // group_size
constexpr std::int64_t kMostGroup = std::int64_t{1} << 24;
constexpr std::uint64_t kAnyLength = std::uint64_t{1} << 62;  // a group as long as the row

class Fields {
 public:
  Fields(const Json& json, const std::string& file) : json_(json), file_(file) {
    if (!json.is_object()) fail_malformed(file, "quantization_config is no object");
  }

  const Json* find(std::string_view key) const {
    const auto found = json_.find(key);
    return found == json_.end() || found->is_null() ? nullptr : &*found;
  }

  std::string text(std::string_view key, std::string_view otherwise) const {
    const Json* const found = find(key);
    if (found == nullptr) return std::string(otherwise);
    if (!found->is_string()) malformed(key);
    return found->get<std::string>();
  }

  std::int64_t integer(std::string_view key, std::string_view old_key,
                       std::int64_t otherwise) const {
    const Json* found = find(key);
    if (found == nullptr) found = find(old_key);
    if (found == nullptr) return otherwise;
    if (!found->is_number_integer()) malformed(key);
    return found->get<std::int64_t>();
  }

  bool is_true(std::string_view key, bool otherwise) const {
    const Json* const found = find(key);
    if (found == nullptr) return otherwise;
    if (!found->is_boolean()) malformed(key);
    return found->get<bool>();
  }

  // Text of one of these values, or what is unsupported.
  void expect(std::string_view key, std::string_view otherwise,
              std::initializer_list<std::string_view> known) const {
    std::string value = text(key, otherwise);
    std::transform(value.begin(), value.end(), value.begin(),
                   [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c; });
    if (std::find(known.begin(), known.end(), value) == known.end()) {
      fail_unsupported(file_, fmt::format("{} of {}: only {} is read", kKey, in_quotes(key),
                                          in_quotes(*known.begin())));
    }
  }

  [[noreturn]] void malformed(std::string_view key) const {
    fail_malformed(file_, fmt::format("{}: {} is of the wrong kind", kKey, in_quotes(key)));
  }

 private:
  const Json& json_;
  const std::string& file_;
};

void read_size(const Fields& fields, const std::string& file, GroupScheme& scheme) {
  const std::int64_t bits = fields.integer("bits", "w_bit", 0);
  const std::span<const unsigned> known = scheme.layout->bits;
  if (std::find(known.begin(), known.end(), bits) == known.end()) {
    fail_unsupported(file,
                     fmt::format("{}: {} weights of {} bits", kKey, scheme.layout->name, bits));
  }
  scheme.bits = static_cast<unsigned>(bits);
  const std::int64_t group = fields.integer("group_size", "q_group_size", kWholeRow);
  if (group != kWholeRow && (group <= 0 || group > kMostGroup)) {
    fail_malformed(file, fmt::format("{}: a group_size of {}", kKey, group));
  }
  scheme.group = group == kWholeRow ? kAnyLength : static_cast<std::uint64_t>(group);
}

void read_awq(const Fields& fields, const std::string& file, GroupScheme& scheme) {
  fields.expect("version", "gemm", {"gemm"});
  read_size(fields, file, scheme);
}

void read_gptq(const Fields& fields, const std::string& file, GroupScheme& scheme) {
  fields.expect("checkpoint_format", "gptq", {"gptq", "gptq_v2"});
  fields.expect("pack_dtype", "int32", {"int32"});
  read_size(fields, file, scheme);
  scheme.zero_offset = fields.text("checkpoint_format", "gptq") == "gptq_v2" ? 0 : 1;
}

void check_int8_scheme(const Fields& group, std::string_view part, const std::string& file) {
  const Json* const scheme = group.find(part);
  if (scheme == nullptr) group.malformed(part);
  const Fields fields(*scheme, file);
  fields.expect("type", "int", {"int"});
  if (fields.integer("num_bits", "bits", 0) == 8 && fields.is_true("symmetric", true)) return;
  fail_unsupported(file,
                   fmt::format("{}: int-quantized {} other than symmetric of 8 bits", kKey, part));
}

// Both weights and inputs of 8 bits, symmetric; inputs by token, while running.
void check_int_quantized(const Fields& config, const std::string& file) {
  const Json* const groups = config.find("config_groups");
  if (groups == nullptr) {
    fail_unsupported(file, fmt::format("{}: int-quantized without config_groups", kKey));
  }
  if (!groups->is_object()) config.malformed("config_groups");
  for (const auto& [key, value] : groups->items()) {
    const Fields group(value, file);
    const Json* const inputs = group.find("input_activations");
    if (inputs == nullptr) {
      fail_unsupported(file, fmt::format("{}: int-quantized weights of 8 bits with inputs that are "
                                         "not quantized",
                                         kKey));
    }
    for (const std::string_view part : {"weights", "input_activations"}) {
      check_int8_scheme(group, part, file);
    }
    if (!Fields(*inputs, file).is_true("dynamic", false)) {
      fail_unsupported(file, fmt::format("{}: inputs with stored (static) scales", kKey));
    }
  }
}

// Widths and groups may differ from module to module: their shapes tell.
void read_compressed(const Fields& fields, const std::string& file, GroupScheme& scheme) {
  fields.expect("format", "pack-quantized", {"pack-quantized", "int-quantized"});
  scheme.int_quantized = fields.text("format", "") == "int-quantized";
  if (scheme.int_quantized) check_int_quantized(fields, file);
}

// group_size
Json size_of_groups(const GroupConfigFacts& facts) {
  return facts.rules.by_row ? Json(kWholeRow) : Json(facts.group);
}

bool zeros_wrap(ScaleRules rules) {
  return !rules.cover({.positive_zeros = true});
}

Json awq_config(const GroupConfigFacts& facts) {
  return {{"quant_method", "awq"}, {"version", "gemm"},
          {"bits", facts.bits},    {"group_size", size_of_groups(facts)},
          {"zero_point", true},    {"modules_to_not_convert", nullptr}};
}

Json gptq_config(const GroupConfigFacts& facts) {
  return {{"quant_method", "gptq"},
          {"bits", facts.bits},
          {"group_size", size_of_groups(facts)},
          {"desc_act", false},
          {"sym", facts.rules.symmetric},
          {"lm_head", false},
          {"checkpoint_format", zeros_wrap(facts.rules) ? "gptq_v2" : "gptq"},
          {"pack_dtype", "int32"},
          {"true_sequential", true},
          {"static_groups", false},
          {"damp_percent", 0.01},
          {"meta", {{"quantizer", {"halfbyte"}}}}};
}

Json compressed_folder(std::string_view format, const Json& weights, const Json& inputs) {
  const Json group = {{"targets", {"Linear"}},
                      {"weights", weights},
                      {"input_activations", inputs},
                      {"output_activations", nullptr}};
  return {{"quant_method", "compressed-tensors"},
          {"format", format},
          {"quantization_status", "compressed"},
          {"global_compression_ratio", nullptr},
          {"config_groups", {{"group_0", group}}},
          {"ignore", {"lm_head"}},
          {"kv_cache_scheme", nullptr}};
}

Json compressed_config(const GroupConfigFacts& facts) {
  const Json weights = {{"num_bits", facts.bits},
                        {"type", "int"},
                        {"symmetric", facts.rules.symmetric},
                        {"strategy", facts.rules.by_row ? "channel" : "group"},
                        {"group_size", facts.rules.by_row ? Json(nullptr) : Json(facts.group)},
                        {"block_structure", nullptr},
                        {"dynamic", false},
                        {"actorder", nullptr},
                        {"observer", "minmax"},
                        {"observer_kwargs", Json::object()}};
  return compressed_folder("pack-quantized", weights, nullptr);
}

struct Manner {
  std::string_view layout;
  void (*read)(const Fields& fields, const std::string& file, GroupScheme& scheme);
  Json (*write)(const GroupConfigFacts& facts);
  unsigned zero_offset;
  std::string_view separate_file;
};
constexpr Manner kManners[] = {
    {"awq", read_awq, awq_config, 0, ""},
    {"gptq", read_gptq, gptq_config, 1, "quantize_config.json"},
    {"compressed-tensors", read_compressed, compressed_config, 0, ""},
};

const Manner& manner_of(const GroupLayout& layout) {
  return *std::find_if(std::begin(kManners), std::end(kManners),
                       [&](const Manner& manner) { return manner.layout == layout.name; });
}

}  // namespace

std::optional<GroupScheme> read_group_config(const Json& config, const std::string& file) {
  const auto found = config.find(kKey);
  if (found == config.end() || found->is_null()) return std::nullopt;
  const Fields fields(*found, file);
  const std::string method = fields.text("quant_method", "");
  GroupScheme scheme;
  scheme.layout = find_group_layout(method);
  if (scheme.layout == nullptr) {
    fail_unsupported(
        file, fmt::format("{}: weights quantized by {} cannot be read, only by awq, gptq and "
                          "compressed-tensors",
                          kKey, in_quotes(method)));
  }
  manner_of(*scheme.layout).read(fields, file, scheme);
  return scheme;
}

Json write_group_config(const GroupLayout& layout, const GroupConfigFacts& facts) {
  return manner_of(layout).write(facts);
}

Json write_int_quantized_config() {
  const auto scheme = [](std::string_view strategy, bool dynamic) {
    return Json{{"num_bits", 8},
                {"type", "int"},
                {"symmetric", true},
                {"strategy", strategy},
                {"group_size", nullptr},
                {"block_structure", nullptr},
                {"dynamic", dynamic},
                {"actorder", nullptr},
                {"observer", dynamic ? Json(nullptr) : Json("minmax")},
                {"observer_kwargs", Json::object()}};
  };
  return compressed_folder("int-quantized", scheme("channel", false), scheme("token", true));
}

unsigned written_zero_offset(const GroupLayout& layout, ScaleRules rules) {
  return zeros_wrap(rules) ? 0 : manner_of(layout).zero_offset;
}

std::string_view separate_config_file(const GroupLayout& layout) {
  return manner_of(layout).separate_file;
}

}  // namespace halfbyte
