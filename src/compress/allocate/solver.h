// The choice of one option for each group that costs least and fits a budget.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

namespace halfbyte {

struct Option {
  std::uint64_t bytes = 0;
  double cost = 0.0;  // costs of groups add up
};
using Options = std::vector<Option>;  // of one group, at least one

// Which option each group gets: the least sum of costs whose bytes are within the budget. Exact
// where differences of sizes have a common divisor that leaves few enough steps (as those of
// tensors do), else up to a thousandth of the budget is left to a greedy rest. Among equals the
// smaller options win. Empty where even the smallest options do not fit.
std::vector<std::size_t> solve_budget(const std::vector<Options>& groups, std::uint64_t budget);

std::uint64_t smallest_bytes(const std::vector<Options>& groups);
std::uint64_t bytes_of(const std::vector<Options>& groups, const std::vector<std::size_t>& chosen);

// Makes single groups better, those first that gain most a byte, while that fits the budget.
void fill_budget(const std::vector<Options>& groups, std::uint64_t budget,
                 std::vector<std::size_t>& chosen);

}  // namespace halfbyte
