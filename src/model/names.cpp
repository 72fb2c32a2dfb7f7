// Matching of `{}` patterns, and the suffixes that published checkpoints use.
#include "model/names.h"

#include <charconv>

namespace halfbyte {

namespace {

struct Split {
  std::string_view stem;
  std::string_view suffix;  // ".weight", ".bias" or ""
};

// Old BERT checkpoints call a LayerNorm's weight and bias gamma and beta.
constexpr struct {
  std::string_view published;
  std::string_view ours;
} kSuffixes[] = {
    {".weight", ".weight"}, {".bias", ".bias"}, {".gamma", ".weight"}, {".beta", ".bias"}};

Split split_suffix(std::string_view name) {
  for (const auto& [published, ours] : kSuffixes) {
    if (name.ends_with(published)) return {name.substr(0, name.size() - published.size()), ours};
  }
  return {name, ""};
}

// The layer number if `stem` matches `pattern`; 0 for a pattern without one.
std::optional<std::uint32_t> match(std::string_view pattern, std::string_view stem) {
  const std::size_t hole = pattern.find("{}");
  if (hole == std::string_view::npos) return stem == pattern ? std::optional(0u) : std::nullopt;
  const std::string_view head = pattern.substr(0, hole);
  const std::string_view tail = pattern.substr(hole + 2);
  if (stem.size() <= head.size() + tail.size() || !stem.starts_with(head) ||
      !stem.ends_with(tail)) {
    return std::nullopt;
  }
  const std::string_view digits = stem.substr(head.size(), stem.size() - head.size() - tail.size());
  std::uint32_t layer = 0;
  const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), layer);
  const bool plain = digits.size() == 1 || digits[0] != '0';
  if (error != std::errc() || end != digits.data() + digits.size() || !plain) return std::nullopt;
  return layer;
}

std::optional<MappedName> map_stem(const Family& family, std::string_view name) {
  const auto [stem, suffix] = split_suffix(name);
  for (const NameRule& rule : family.names) {
    const auto layer = match(rule.published, stem);
    if (!layer) continue;
    if (rule.name.empty()) return MappedName{};
    const bool matrix = suffix == ".weight";
    return MappedName{fill_layer(rule.name, *layer) + std::string(suffix),
                      rule.transposed && matrix};
  }
  return std::nullopt;
}

}  // namespace

std::string fill_layer(std::string_view pattern, std::uint32_t layer) {
  const std::size_t hole = pattern.find("{}");
  if (hole == std::string_view::npos) return std::string(pattern);
  return std::string(pattern.substr(0, hole)) + std::to_string(layer) +
         std::string(pattern.substr(hole + 2));
}

std::optional<MappedName> map_published_name(const Family& family, std::string_view published) {
  if (auto mapped = map_stem(family, published)) return mapped;
  for (const std::string_view prefix : family.ignored_prefixes) {
    if (published.starts_with(prefix)) return MappedName{};
  }
  for (const std::string_view prefix : family.optional_prefixes) {
    if (!published.starts_with(prefix)) continue;
    const std::string_view rest = published.substr(prefix.size());
    for (const std::string_view ignored : family.ignored_prefixes) {
      if (rest.starts_with(ignored)) return MappedName{};
    }
    if (auto mapped = map_stem(family, rest)) return mapped;
    // "model.language_model.layers..." leaves "layers...": the rules start with "model."
    if (auto mapped = map_stem(family, "model." + std::string(rest))) return mapped;
  }
  return std::nullopt;
}

std::optional<MappedName> published_name(const Family& family, std::string_view name, bool gated) {
  const auto [stem, suffix] = split_suffix(name);
  for (const NameRule& rule : family.names) {
    if (rule.name.empty()) continue;
    // Two rules may give one name: "wi" in plain FFNs, "wi_1" beside a gate.
    if (gated && rule.published.ends_with(".wi")) continue;
    const auto layer = match(rule.name, stem);
    if (!layer) continue;
    return MappedName{fill_layer(rule.published, *layer) + std::string(suffix),
                      rule.transposed && suffix == ".weight"};
  }
  return std::nullopt;
}

}  // namespace halfbyte
