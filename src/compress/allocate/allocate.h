// A type for each tensor, so that the whole model keeps within a budget and loses least.
#pragma once

#include <optional>
#include <string>

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
};

struct Allocation {
  TypePolicy policy;
  std::string note;  // one line: what was chosen
};

// Loads the whole original. Does not depend on the number of threads. Fails with kUsage where the
// model is no decoder with a head, or the budget is below what its smallest types take.
Allocation allocate(const AllocationRequest& request, ThreadPool& pool,
                    const ProgressSink& progress);

}  // namespace halfbyte
