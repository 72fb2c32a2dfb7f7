// A matrix quantized in groups with zero points, opened up: what stands between rows of blocks
// (tensor/group_types.h) and the layouts of published folders (group_layout.h).
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "tensor/group_types.h"

namespace halfbyte {

struct GroupDims {
  unsigned bits = 0;        // of a code
  std::uint64_t n = 0;      // outputs
  std::uint64_t k = 0;      // inputs
  std::uint64_t group = 0;  // inputs that share scale and zero; divides k

  std::uint64_t groups() const { return k / group; }  // of a row
  unsigned middle() const { return 1u << (bits - 1); }
};

struct GroupMatrix {
  GroupDims dims;
  std::vector<std::uint8_t> codes;    // [n, k]
  std::vector<std::uint16_t> scales;  // [n, groups], halves
  std::vector<std::uint8_t> zeros;    // [n, groups]

  explicit GroupMatrix(const GroupDims& dims);
};

// From rows of blocks. The type's group divides that of the matrix, and blocks in one group have
// the same scale and zero.
GroupMatrix open_groups(const GroupType& type, const GroupDims& dims, const std::byte* rows);
// Rows of blocks; the type's group divides that of the matrix, and its bits are the same.
std::vector<std::byte> close_groups(const GroupMatrix& matrix, const GroupType& type);

// scale * (code - zero), [n, k]; exact.
std::vector<float> values_of(const GroupMatrix& matrix);

// The type with the largest groups that such a matrix can be held in exactly; nullptr: none.
const GroupType* type_of_groups(const GroupDims& dims);

}  // namespace halfbyte
