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
  // `share`: of the squared errors of blocks' matrices, what the method that will write them leaves
  // of those of rounding.
  GroupEncoder(const Probe& probe, double share);

  // The group's tensors, rounded with the weights of their inputs.
  Changes encode(const Group& group, DType type);
  // Squared errors of the group's outputs in each of its types, from some of its rows.
  std::vector<double> errors(const Group& group);

 private:
  InputStats inputs_of(const Group& group) const;
  MatrixTask task_of(int weight, DType type) const;

  const Probe& probe_;
  double share_;
  DenseWorkers workers_;
};

}  // namespace halfbyte
