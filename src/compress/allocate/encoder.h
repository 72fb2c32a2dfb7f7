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
  // `shares`: of rounding's squared errors, what the method leaves that will write the tensors.
  GroupEncoder(const Probe& probe, ErrorShares shares);

  // The group's tensors, rounded with the weights of their inputs.
  Changes encode(const Group& group, DType type);
  // Squared errors of the group's outputs in each of its types, from some of its rows.
  std::vector<double> errors(const Group& group);

 private:
  double share_of(const Group& group) const;
  InputStats inputs_of(const Group& group) const;
  MatrixTask task_of(int weight, DType type) const;

  const Probe& probe_;
  ErrorShares shares_;
  DenseWorkers workers_;
};

}  // namespace halfbyte
