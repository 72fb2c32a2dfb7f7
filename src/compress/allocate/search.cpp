#include "compress/allocate/search.h"

#include <algorithm>

namespace halfbyte {

namespace {

constexpr int kTrialsOfGroup = 3;  // so that one group's wrong cost cannot take all trials

// One group gets more bytes, another fewer.
struct Swap {
  std::size_t up = 0;
  std::size_t down = 0;
  double cost = 0.0;  // what it adds to the sum of costs
};

void add_tensors(GroupEncoder& encoder, const Group& group, std::size_t option,
                 std::vector<ChangedTensor>& tensors) {
  for (const int weight : group.weights) {
    tensors.push_back(encoder.encode(group, weight, group.types[option]));
  }
}

class Search {
 public:
  Search(Probe& probe, GroupEncoder& encoder, const std::vector<Group>& groups,
         const std::vector<Options>& costs, std::uint64_t budget, Chosen& chosen)
      : probe_(probe),
        encoder_(encoder),
        groups_(groups),
        costs_(costs),
        budget_(budget),
        chosen_(chosen),
        tried_(groups.size()) {}

  // Those first that cost least by the sums.
  std::vector<Swap> swaps() const {
    std::vector<Swap> swaps;
    for (std::size_t up = 0; up < groups_.size(); ++up) {
      for (std::size_t down = 0; down < groups_.size(); ++down) {
        if (possible(up, down)) swaps.push_back({up, down, change_of(up, down)});
      }
    }
    std::stable_sort(swaps.begin(), swaps.end(),
                     [](const Swap& a, const Swap& b) { return a.cost < b.cost; });
    return swaps;
  }

  // False where nothing was run.
  bool attempt(const Swap& swap) {
    if (!possible(swap.up, swap.down)) return false;
    if (tried_[swap.up] >= kTrialsOfGroup || tried_[swap.down] >= kTrialsOfGroup) return false;
    ++tried_[swap.up];
    ++tried_[swap.down];
    std::vector<ChangedTensor> tensors;
    add_tensors(encoder_, groups_[swap.up], chosen_.options[swap.up] + 1, tensors);
    add_tensors(encoder_, groups_[swap.down], chosen_.options[swap.down] - 1, tensors);
    Variant model = probe_.change(chosen_.model, std::move(tensors));
    if (model.divergence < chosen_.model.divergence) {
      chosen_.model = std::move(model);
      ++chosen_.options[swap.up];
      --chosen_.options[swap.down];
    }
    return true;
  }

 private:
  bool possible(std::size_t up, std::size_t down) const {
    if (up == down || chosen_.options[down] == 0) return false;
    if (chosen_.options[up] + 1 == costs_[up].size()) return false;
    std::vector<std::size_t> options = chosen_.options;
    ++options[up];
    --options[down];
    return bytes_of(costs_, options) <= budget_;
  }

  double change_of(std::size_t up, std::size_t down) const {
    const std::size_t from = chosen_.options[up];
    const std::size_t to = chosen_.options[down];
    return costs_[up][from + 1].cost - costs_[up][from].cost + costs_[down][to - 1].cost -
           costs_[down][to].cost;
  }

  Probe& probe_;
  GroupEncoder& encoder_;
  const std::vector<Group>& groups_;
  const std::vector<Options>& costs_;
  std::uint64_t budget_;
  Chosen& chosen_;
  std::vector<int> tried_;
};

}  // namespace

Chosen choose(Probe& probe, GroupEncoder& encoder, const std::vector<Group>& groups,
              std::vector<std::size_t> options) {
  std::vector<ChangedTensor> tensors;
  for (std::size_t i = 0; i < groups.size(); ++i) {
    add_tensors(encoder, groups[i], options[i], tensors);
  }
  return {std::move(options), probe.change(probe.original(), std::move(tensors))};
}

void improve(Probe& probe, GroupEncoder& encoder, const std::vector<Group>& groups,
             const std::vector<Options>& costs, std::uint64_t budget, std::size_t trials,
             const std::function<void()>& tick, Chosen& chosen) {
  Search search(probe, encoder, groups, costs, budget, chosen);
  std::size_t done = 0;
  for (const Swap& swap : search.swaps()) {
    if (done == trials) break;
    if (!search.attempt(swap)) continue;
    ++done;
    tick();
  }
}

}  // namespace halfbyte
