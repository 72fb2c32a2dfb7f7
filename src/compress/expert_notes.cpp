#include "compress/expert_notes.h"

#include <algorithm>

#include <fmt/format.h>

#include "compress/calibrate/input_stats.h"

namespace halfbyte {

namespace {

// Each expert has one of these.
constexpr std::string_view kOne = ".ffn_down.";

std::string block_of(const std::string& name) {
  return name.substr(0, name.find(kOne));
}

struct StarvedBlock {
  std::string name;
  std::size_t experts = 0;
};

std::string starved_note(const std::vector<StarvedBlock>& blocks) {
  std::size_t all = 0;
  std::string names;
  for (const StarvedBlock& block : blocks) {
    all += block.experts;
    names += fmt::format("{}{} in {}", names.empty() ? "" : ", ", block.experts, block.name);
  }
  return fmt::format(
      "{} expert{} saw less than {} % of an even share of the tokens, too few to calibrate on: "
      "rounded to nearest ({})",
      all, all == 1 ? "" : "s", 100.0 * kLeastShare, names);
}

}  // namespace

std::vector<std::string> expert_notes(const std::vector<LayerReport>& layers) {
  std::vector<std::uint64_t> tokens;
  std::vector<StarvedBlock> starved;
  for (const LayerReport& layer : layers) {
    if (!layer.tokens || layer.name.find(kOne) == std::string::npos) continue;
    tokens.push_back(*layer.tokens);
    if (!layer.starved) continue;
    const std::string block = block_of(layer.name);
    if (starved.empty() || starved.back().name != block) starved.push_back({block});
    ++starved.back().experts;
  }
  if (tokens.empty()) return {};
  std::sort(tokens.begin(), tokens.end());
  std::vector<std::string> notes{
      fmt::format("tokens that an expert was calibrated on: {} to {}, median {}", tokens.front(),
                  tokens.back(), tokens[tokens.size() / 2])};
  if (!starved.empty()) notes.push_back(starved_note(starved));
  return notes;
}

}  // namespace halfbyte
