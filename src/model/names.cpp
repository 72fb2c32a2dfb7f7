// Matching of `{}` patterns, and the suffixes that published checkpoints use.
#include "model/names.h"

#include <algorithm>
#include <charconv>
#include <vector>

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

constexpr std::string_view kHole = "{}";
constexpr std::string_view kWeight = ".weight";
constexpr std::string_view kStack = "_exps.weight";

// The numbers in the holes of a pattern: the layer, the expert.
using Numbers = std::vector<std::uint32_t>;

// Takes a number from the front of `text`.
std::optional<std::uint32_t> take_number(std::string_view& text) {
  std::uint32_t number = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  const auto digits = static_cast<std::size_t>(end - text.data());
  const bool plain = digits == 1 || (digits > 1 && text[0] != '0');
  if (error != std::errc() || !plain) return std::nullopt;
  text.remove_prefix(digits);
  return number;
}

// The numbers if `stem` matches `pattern`; none for a pattern without holes.
std::optional<Numbers> match(std::string_view pattern, std::string_view stem) {
  Numbers numbers;
  for (;;) {
    const std::size_t hole = pattern.find(kHole);
    const std::string_view plain = pattern.substr(0, hole);
    if (hole == std::string_view::npos) {
      return stem == plain ? std::optional(std::move(numbers)) : std::nullopt;
    }
    if (!stem.starts_with(plain)) return std::nullopt;
    stem.remove_prefix(plain.size());
    pattern.remove_prefix(hole + kHole.size());
    const auto number = take_number(stem);
    if (!number) return std::nullopt;
    numbers.push_back(*number);
  }
}

std::string fill(std::string_view pattern, const Numbers& numbers) {
  std::string name;
  for (const std::uint32_t number : numbers) {
    const std::size_t hole = pattern.find(kHole);
    name += pattern.substr(0, hole);
    name += std::to_string(number);
    pattern.remove_prefix(hole + kHole.size());
  }
  return name += pattern;
}

std::optional<MappedName> map_stem(const Family& family, std::string_view name) {
  const auto [stem, suffix] = split_suffix(name);
  for (const NameRule& rule : family.names) {
    const auto numbers = match(rule.published, stem);
    if (!numbers) continue;
    if (rule.name.empty()) return MappedName{};
    const bool matrix = suffix == ".weight";
    return MappedName{fill(rule.name, *numbers) + std::string(suffix), rule.transposed && matrix};
  }
  return std::nullopt;
}

}  // namespace

std::string stack_of_expert(std::string_view name) {
  if (!name.ends_with(kWeight)) return "";
  name.remove_suffix(kWeight.size());
  const std::size_t dot = std::min(name.rfind('.'), name.size());
  std::string_view number = name.substr(std::min(dot + 1, name.size()));
  if (!take_number(number) || !number.empty()) return "";
  return std::string(name.substr(0, dot)) + std::string(kStack);
}

std::optional<std::string> expert_of_stack(std::string_view stack, std::uint64_t expert) {
  if (!stack.ends_with(kStack)) return std::nullopt;
  stack.remove_suffix(kStack.size());
  return std::string(stack) + "." + std::to_string(expert) + std::string(kWeight);
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
    const auto numbers = match(rule.name, stem);
    if (!numbers) continue;
    return MappedName{fill(rule.published, *numbers) + std::string(suffix),
                      rule.transposed && suffix == ".weight"};
  }
  return std::nullopt;
}

}  // namespace halfbyte
