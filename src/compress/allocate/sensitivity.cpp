#include "compress/allocate/sensitivity.h"

#include <algorithm>

namespace halfbyte {

namespace {

constexpr double kFaint = 0.01;       // of a squared error: the noise shows, and little else
constexpr double kLeastAbove = 0.05;  // of a divergence, where noise seems to be all of it

// The same changes with next to nothing of their errors.
Changes faint(const Changes& changes) {
  Changes all;
  for (const auto& changed : changes) {
    const auto copy = std::make_shared<ChangedTensor>(*changed);
    copy->share = kFaint;
    all.push_back(copy);
  }
  return all;
}

// The first of the largest types within `bits`, else of the smallest there are.
std::size_t probed_option(const Group& group, double bits) {
  std::size_t best = 0;
  for (std::size_t i = 0; i < group.types.size(); ++i) {
    const double own = bits_of(group.types[i]);
    if (own <= bits && own > bits_of(group.types[best])) best = i;
  }
  return best;
}

void drop_dominated(Group& group, Options& options) {
  Group kept = group;
  Options kept_options;
  kept.types.clear();
  kept.bytes.clear();
  for (std::size_t i = 0; i < options.size(); ++i) {
    const bool better = kept_options.empty() || options[i].cost < kept_options.back().cost;
    if (!better) continue;
    if (!kept_options.empty() && kept_options.back().bytes == options[i].bytes) {
      kept.types.pop_back();
      kept.bytes.pop_back();
      kept_options.pop_back();
    }
    kept.types.push_back(group.types[i]);
    kept.bytes.push_back(group.bytes[i]);
    kept_options.push_back(options[i]);
  }
  group = std::move(kept);
  options = std::move(kept_options);
}

}  // namespace

double bits_of(DType type) {
  return 8.0 * info(type).block_bytes / info(type).block;
}

std::vector<std::size_t> probed_options(const std::vector<Group>& groups, double bits) {
  std::vector<std::size_t> probed;
  probed.reserve(groups.size());
  for (const Group& group : groups) probed.push_back(probed_option(group, bits));
  return probed;
}

Options costs_of(const Group& group, const std::vector<double>& errors, std::size_t probed,
                 double divergence) {
  const double unit = errors[probed] > 0.0 ? divergence / errors[probed] : 0.0;
  Options options(errors.size());
  for (std::size_t i = 0; i < errors.size(); ++i) {
    options[i] = {group.bytes[i], unit * errors[i]};
  }
  return options;
}

double above_noise(double divergence, double noise) {
  return std::max(divergence - noise, kLeastAbove * divergence);
}

MeasuredCosts measure_costs(Probe& probe, GroupEncoder& encoder, const std::vector<Group>& groups,
                            const std::vector<std::size_t>& probed,
                            const std::function<void()>& tick) {
  MeasuredCosts costs;
  for (std::size_t i = 0; i < groups.size(); ++i) {
    const Changes changes = encoder.encode(groups[i], groups[i].types[probed[i]], 1.0);
    const bool same = i > 0 && groups[i].part == groups[i - 1].part;
    costs.noise.push_back(same ? costs.noise.back() : probe.divergence(faint(changes)));
    const double divergence = above_noise(probe.divergence(changes), costs.noise.back());
    costs.options.push_back(costs_of(groups[i], encoder.errors(groups[i]), probed[i], divergence));
    tick();
  }
  return costs;
}

void drop_dominated(std::vector<Group>& groups, std::vector<Options>& costs) {
  for (std::size_t i = 0; i < groups.size(); ++i) drop_dominated(groups[i], costs[i]);
}

}  // namespace halfbyte
