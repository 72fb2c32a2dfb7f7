// What rounding to nearest makes of a row whose columns are scaled before and back after it.
#pragma once

#include <span>
#include <vector>

#include "tensor/group_types.h"

namespace halfbyte {

class RoundRow {
 public:
  // rules: as MatrixTask has it. importance [k]: mean squares of the inputs; factors [k]: what
  // columns are multiplied with, and inputs divided by.
  RoundRow(DType dtype, ScaleRules rules, std::span<const float> importance,
           std::span<const float> factors);

  // difference = Q(w * factors) / factors - w; both [k].
  void difference(const float* w, float* difference);

 private:
  DType dtype_;
  ScaleRules rules_;
  std::span<const float> factors_;
  std::vector<float> importance_;  // of the scaled columns
  std::vector<float> scaled_;
  std::vector<std::byte> encoded_;
};

}  // namespace halfbyte
