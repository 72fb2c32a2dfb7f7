// What gets a type of its own: each matrix, and the tables at both ends.
#pragma once

#include <string>
#include <unordered_map>
#include <vector>

#include "compress/job.h"
#include "compress/target.h"
#include "model/plan.h"

namespace halfbyte {

struct Group {
  std::size_t part = 0;              // 0: embedding; 1 + i: block i; 1 + blocks: the head
  const Step* step = nullptr;        // of the plan; nullptr for tables
  std::vector<int> weights;          // indices in the plan
  std::vector<DType> types;          // that all of them can have, the smallest first
  std::vector<std::uint64_t> bytes;  // of the group in each type
};

// Of a decoder. `jobs`: all tensors as they would be written; `fixed` roles are in no group.
std::vector<Group> make_groups(const Plan& plan, const std::vector<TensorJob>& jobs,
                               const Target& target, const std::vector<Role>& fixed);

// The types of all groups' tensors, by name.
using TypesByName = std::unordered_map<std::string, DType>;

}  // namespace halfbyte
