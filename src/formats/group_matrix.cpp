#include "formats/group_matrix.h"

#include "base/half.h"
#include "tensor/dtype.h"

namespace halfbyte {

GroupMatrix::GroupMatrix(const GroupDims& of)
    : dims(of), codes(of.n * of.k), scales(of.n * of.groups()), zeros(of.n * of.groups()) {}

GroupMatrix open_groups(const GroupType& type, const GroupDims& dims, const std::byte* rows) {
  GroupMatrix matrix(dims);
  const std::size_t bytes = info(type.dtype).block_bytes;
  const std::size_t repeat = dims.group / type.group;
  for (std::size_t b = 0; b < matrix.codes.size() / type.group; ++b, rows += bytes) {
    const GroupScale scale = unpack_group(type, rows, &matrix.codes[b * type.group]);
    matrix.scales[b / repeat] = scale.scale;
    matrix.zeros[b / repeat] = scale.zero;
  }
  return matrix;
}

std::vector<std::byte> close_groups(const GroupMatrix& matrix, const GroupType& type) {
  const std::size_t bytes = info(type.dtype).block_bytes;
  const std::size_t blocks = matrix.codes.size() / type.group;
  const std::size_t repeat = matrix.dims.group / type.group;
  std::vector<std::byte> rows(blocks * bytes);
  for (std::size_t b = 0; b < blocks; ++b) {
    const GroupScale scale = {matrix.scales[b / repeat], matrix.zeros[b / repeat]};
    pack_group(type, scale, &matrix.codes[b * type.group], &rows[b * bytes]);
  }
  return rows;
}

std::vector<float> values_of(const GroupMatrix& matrix) {
  std::vector<float> values(matrix.codes.size());
  for (std::size_t g = 0; g < matrix.scales.size(); ++g) {
    const float scale = half_to_float(matrix.scales[g]);
    for (std::size_t i = g * matrix.dims.group; i < (g + 1) * matrix.dims.group; ++i) {
      values[i] = scale * static_cast<float>(matrix.codes[i] - matrix.zeros[g]);
    }
  }
  return values;
}

const GroupType* type_of_groups(const GroupDims& dims) {
  const GroupType* best = nullptr;
  for (const GroupType& type : all_group_types()) {
    if (type.bits == dims.bits && dims.group % type.group == 0) best = &type;  // ascending groups
  }
  return best;
}

}  // namespace halfbyte
