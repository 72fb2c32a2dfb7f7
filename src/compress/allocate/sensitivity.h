// What each type of each group costs in the model's predictions.
#pragma once

#include <functional>
#include <vector>

#include "compress/allocate/encoder.h"
#include "compress/allocate/solver.h"

namespace halfbyte {

// A weight, in rows of blocks as they lie in files.
double bits_of(DType type);

// Divergence is measured with one group alone rounded to one type, of about `bits` a weight, and
// goes to the group's other types with the squares of their errors. `tick` is called after each
// group. In the order of the groups and of their types.
std::vector<Options> measure_costs(Probe& probe, GroupEncoder& encoder,
                                   const std::vector<Group>& groups, double bits,
                                   const std::function<void()>& tick);

// Drops types that cost no less than a smaller one of their group, from both.
void drop_dominated(std::vector<Group>& groups, std::vector<Options>& costs);

}  // namespace halfbyte
