// What each type of each group costs in the model's predictions.
#pragma once

#include <functional>
#include <vector>

#include "compress/allocate/encoder.h"
#include "compress/allocate/solver.h"

namespace halfbyte {

// A weight, in rows of blocks as they lie in files.
double bits_of(DType type);

// Of each group, the option that is measured: its largest type within `bits`, else its smallest.
std::vector<std::size_t> probed_options(const std::vector<Group>& groups, double bits);

// The cost of a group in each of its types: what was measured in one of them goes to the others
// with the squares of their errors.
Options costs_of(const Group& group, const std::vector<double>& errors, std::size_t probed,
                 double divergence);

// Divergence is measured with one group alone rounded to its probed type. `tick` is called after
// each group. In the order of the groups and of their types.
std::vector<Options> measure_costs(Probe& probe, GroupEncoder& encoder,
                                   const std::vector<Group>& groups,
                                   const std::vector<std::size_t>& probed,
                                   const std::function<void()>& tick);

// Drops types that cost no less than a smaller one of their group, from both.
void drop_dominated(std::vector<Group>& groups, std::vector<Options>& costs);

}  // namespace halfbyte
