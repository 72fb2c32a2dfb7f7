// A type for each tensor, so that the whole model keeps within a budget and loses least.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <unordered_map>
#include <vector>

#include "base/log.h"
#include "compress/calibrate/quantize.h"
#include "compress/target.h"

namespace halfbyte {

// Of all tensors written. One of the two is set.
struct Budget {
  std::optional<double> bits_per_weight;
  std::optional<std::uint64_t> bytes;
};

struct AllocationRequest {
  const ModelFiles& source;
  const Target& target;
  TypePolicy policy;        // of tensors that get no type of their own: tables, vectors
  std::vector<Role> fixed;  // embedding and head, where the policy has the last word on them
  Budget budget;
  const CalibrationOptions& calibration;
  const Recipe& recipe;  // that will write the tensors
};

struct Allocation {
  std::unordered_map<std::string, DType> types;  // of all tensors that get one of their own
  std::string like = "";                         // the uniform choice that these are, if any
};

// Fails with kUsage where the model is no decoder with a head, or the budget is below what its
// smallest types take.
void check_allocation(const AllocationRequest& request);

// Of a request that was checked. Loads the whole original. `folder` is for files that need not
// outlive it. Does not depend on the number of threads.
Allocation allocate(const AllocationRequest& request, const std::string& folder, ThreadPool& pool,
                    const ProgressSink& progress);

// The request's policy, with the types chosen.
TypePolicy with_types(const AllocationRequest& request, const Allocation& allocation);
// One line that says what was chosen.
std::string note_of(const AllocationRequest& request, const Allocation& allocation);

}  // namespace halfbyte
