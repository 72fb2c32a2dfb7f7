#include "compress/allocate/solver.h"

#include <algorithm>
#include <limits>
#include <numeric>
#include <optional>

namespace halfbyte {

namespace {

constexpr std::uint64_t kMaxSteps = 100'000;  // of the table's budget axis
constexpr double kNever = std::numeric_limits<double>::infinity();

std::uint64_t smallest_of(const Options& options) {
  return std::min_element(options.begin(), options.end(),
                          [](const Option& a, const Option& b) { return a.bytes < b.bytes; })
      ->bytes;
}

// Bytes of one step: all differences are multiples of it, or, where that makes too many steps, the
// budget's share.
std::uint64_t step_of(const std::vector<Options>& groups, std::uint64_t spare) {
  std::uint64_t step = 0;
  for (const Options& options : groups) {
    const std::uint64_t smallest = smallest_of(options);
    for (const Option& option : options) step = std::gcd(step, option.bytes - smallest);
  }
  return std::max({step, (spare + kMaxSteps - 1) / kMaxSteps, std::uint64_t{1}});
}

// Dynamic programming over groups; the axis is what is spent beyond the smallest options, in steps.
class BudgetTable {
 public:
  BudgetTable(const std::vector<Options>& groups, std::uint64_t spare)
      : groups_(groups), step_(step_of(groups, spare)), columns_(spare / step_ + 1) {
    costs_.assign(columns_, 0.0);
    picks_.resize(groups.size() * columns_);
    for (std::size_t group = 0; group < groups.size(); ++group) add(group);
  }

  std::vector<std::size_t> best() const {
    const auto least = std::min_element(costs_.begin(), costs_.end());
    auto column = static_cast<std::size_t>(least - costs_.begin());
    std::vector<std::size_t> chosen(groups_.size());
    for (std::size_t group = groups_.size(); group-- > 0;) {
      chosen[group] = picks_[group * columns_ + column];
      column -= steps(groups_[group], chosen[group]);
    }
    return chosen;
  }

 private:
  std::size_t steps(const Options& options, std::size_t option) const {
    return (options[option].bytes - smallest_of(options) + step_ - 1) / step_;
  }

  // costs_[c]: the least cost of the groups so far with c steps spent at most.
  void add(std::size_t group) {
    const Options& options = groups_[group];
    std::vector<double> costs(columns_, kNever);
    std::uint8_t* const picks = &picks_[group * columns_];
    for (std::size_t option = 0; option < options.size(); ++option) {
      const std::size_t spent = steps(options, option);
      for (std::size_t column = spent; column < columns_; ++column) {
        const double cost = costs_[column - spent] + options[option].cost;
        if (cost >= costs[column]) continue;
        costs[column] = cost;
        picks[column] = static_cast<std::uint8_t>(option);
      }
    }
    costs_.swap(costs);
  }

  const std::vector<Options>& groups_;
  std::uint64_t step_;
  std::size_t columns_;
  std::vector<double> costs_;
  std::vector<std::uint8_t> picks_;  // [groups, columns]
};

// What a larger option gains a byte; nullopt where it is none or does not fit.
std::optional<double> gain_of(const Option& now, const Option& then, std::uint64_t spare) {
  if (then.bytes <= now.bytes || then.bytes - now.bytes > spare || then.cost >= now.cost) {
    return std::nullopt;
  }
  return (now.cost - then.cost) / static_cast<double>(then.bytes - now.bytes);
}

}  // namespace

std::uint64_t smallest_bytes(const std::vector<Options>& groups) {
  std::uint64_t bytes = 0;
  for (const Options& options : groups) bytes += smallest_of(options);
  return bytes;
}

std::uint64_t bytes_of(const std::vector<Options>& groups, const std::vector<std::size_t>& chosen) {
  std::uint64_t bytes = 0;
  for (std::size_t i = 0; i < groups.size(); ++i) bytes += groups[i][chosen[i]].bytes;
  return bytes;
}

void fill_budget(const std::vector<Options>& groups, std::uint64_t budget,
                 std::vector<std::size_t>& chosen) {
  for (;;) {
    const std::uint64_t spare = budget - bytes_of(groups, chosen);
    double best = 0.0;
    std::optional<std::size_t> which;
    std::size_t option = 0;
    for (std::size_t i = 0; i < groups.size(); ++i) {
      for (std::size_t j = 0; j < groups[i].size(); ++j) {
        const auto gain = gain_of(groups[i][chosen[i]], groups[i][j], spare);
        if (!gain || *gain <= best) continue;
        best = *gain;
        which = i;
        option = j;
      }
    }
    if (!which) return;
    chosen[*which] = option;
  }
}

std::vector<std::size_t> solve_budget(const std::vector<Options>& groups, std::uint64_t budget) {
  const std::uint64_t smallest = smallest_bytes(groups);
  if (smallest > budget) return {};
  std::vector<std::size_t> chosen = BudgetTable(groups, budget - smallest).best();
  fill_budget(groups, budget, chosen);
  return chosen;
}

}  // namespace halfbyte
