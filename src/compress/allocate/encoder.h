// Rounding a model's tensors to the types that are tried.
#pragma once

#include <vector>

#include "compress/allocate/groups.h"
#include "compress/allocate/probe.h"
#include "compress/linalg.h"
#include "compress/methods.h"

namespace halfbyte {

class GroupEncoder {
 public:
  explicit GroupEncoder(const Probe& probe);

  // The group's tensors, rounded with the weights of their inputs. `share`: of the squared errors,
  // how much is there when they run.
  Changes encode(const Group& group, DType type, double share);
  // Squared errors of the group's outputs in each of its types, from some of its rows.
  std::vector<double> errors(const Group& group);

 private:
  InputStats inputs_of(const Group& group) const;
  MatrixTask task_of(int weight, DType type) const;

  const Probe& probe_;
  DenseWorkers workers_;
};

}  // namespace halfbyte
