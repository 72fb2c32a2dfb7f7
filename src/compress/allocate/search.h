// From the best sum of costs to the best model: pairs of groups trade bytes while what they do to
// the predictions, measured on the whole model, is for the better.
#pragma once

#include <functional>
#include <vector>

#include "compress/allocate/encoder.h"
#include "compress/allocate/solver.h"

namespace halfbyte {

// One choice for each group, at work.
struct Chosen {
  std::vector<std::size_t> options;  // by group
  Variant model;
};

Chosen choose(Probe& probe, GroupEncoder& encoder, const std::vector<Group>& groups,
              std::vector<std::size_t> options);

// At most `trials` models are run; `tick` is called after each. Never exceeds the budget.
void improve(Probe& probe, GroupEncoder& encoder, const std::vector<Group>& groups,
             const std::vector<Options>& costs, std::uint64_t budget, std::size_t trials,
             const std::function<void()>& tick, Chosen& chosen);

}  // namespace halfbyte
