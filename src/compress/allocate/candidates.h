// Choices that fit a budget and look good by the costs of groups, to be measured on the whole
// model.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

#include "compress/allocate/groups.h"
#include "compress/allocate/ledger.h"
#include "compress/allocate/solver.h"
#include "compress/mixes.h"

namespace halfbyte {

struct Candidate {
  std::vector<DType> types;  // by group
  std::string like = "";     // the uniform choice that it is: "q4_k_m", "q4_k_s throughout"
};

// The row of the table of output types that a uniform choice follows; nullptr if it is none.
const OutputType* find_uniform(std::string_view like);

// The least sums of costs within the budget, with the costs as they are and leaning to one side or
// the other where sums of them are known to be wrong. `costs`: of all types of each group.
std::vector<Candidate> solved_candidates(const Ledger& ledger, const std::vector<Group>& groups,
                                         const std::vector<Options>& costs);

// What could be had without choosing: mixes, and types for all tensors alike, with some tensors
// made smaller where one just exceeds the budget. Of those that fit, the `count` best by their sums
// of costs.
std::vector<Candidate> uniform_candidates(const Ledger& ledger, const Plan& plan,
                                          const std::vector<Group>& groups,
                                          const std::vector<Options>& costs, std::size_t count);

}  // namespace halfbyte
