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

// What is left of a divergence without the probe's own noise. Any change, however small, makes
// other bits round away in all that comes after it: in bfloat16 that is a divergence of its own, as
// large as what four bits do to a matrix of attention.
double above_noise(double divergence, double noise);

struct MeasuredCosts {
  std::vector<Options> options;  // in the order of the groups and of their types
  std::vector<double> noise;     // of the probe, by group
};
// Divergence is measured with one group alone rounded to its probed type. `tick` is called after
// each group.
MeasuredCosts measure_costs(Probe& probe, GroupEncoder& encoder, const std::vector<Group>& groups,
                            const std::vector<std::size_t>& probed,
                            const std::function<void()>& tick);

// Drops types that cost no less than a smaller one of their group, from both.
void drop_dominated(std::vector<Group>& groups, std::vector<Options>& costs);

}  // namespace halfbyte
