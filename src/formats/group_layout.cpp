// The table of layouts and writing by it.
#include "formats/group_layout.h"

#include <algorithm>
#include <cstring>

#include "formats/group_fields.h"

namespace halfbyte {

namespace {

constexpr GroupTensor kAwqTensors[] = {
    {.part = GroupPart::codes, .suffix = ".qweight", .along_outputs = true},
    {.part = GroupPart::zeros, .suffix = ".qzeros", .along_outputs = true},
    {.part = GroupPart::scales, .suffix = ".scales"},
};
constexpr GroupTensor kGptqTensors[] = {
    {.part = GroupPart::codes, .suffix = ".qweight"},
    {.part = GroupPart::zeros, .suffix = ".qzeros", .along_outputs = true},
    {.part = GroupPart::scales, .suffix = ".scales"},
    {.part = GroupPart::index, .suffix = ".g_idx", .optional = true},
};
constexpr GroupTensor kCompressedTensors[] = {
    {.part = GroupPart::codes, .suffix = ".weight_packed", .outputs_first = true},
    {.part = GroupPart::scales, .suffix = ".weight_scale", .outputs_first = true},
    {.part = GroupPart::shape, .suffix = ".weight_shape"},
    {.part = GroupPart::zeros,
     .suffix = ".weight_zero_point",
     .outputs_first = true,
     .along_outputs = true,
     .optional = true},
};
constexpr unsigned kAwqBits[] = {4};
constexpr unsigned kGptqBits[] = {2, 3, 4, 8};
constexpr unsigned kCompressedBits[] = {4, 8};

constexpr GroupLayout kLayouts[] = {
    {.name = "awq",
     .tensors = kAwqTensors,
     .bits = kAwqBits,
     .interleaved = true,
     .symmetric_has_zeros = true},
    {.name = "gptq",
     .tensors = kGptqTensors,
     .bits = kGptqBits,
     .interleaved = false,
     .symmetric_has_zeros = true},
    {.name = "compressed-tensors",
     .tensors = kCompressedTensors,
     .bits = kCompressedBits,
     .interleaved = false,
     .symmetric_has_zeros = false},
};

template <typename T>
std::vector<std::byte> bytes_of(const std::vector<T>& values) {
  std::vector<std::byte> bytes(values.size() * sizeof(T));
  std::memcpy(bytes.data(), values.data(), bytes.size());
  return bytes;
}

Shape shape_of(const GroupTensor& tensor, const GroupDims& dims) {
  if (tensor.part == GroupPart::index) return {dims.k};
  if (tensor.part == GroupPart::shape) return {2};
  std::uint64_t rows = dims.n;
  std::uint64_t columns = tensor.part == GroupPart::codes ? dims.k : dims.groups();
  if (tensor.part != GroupPart::scales) {
    std::uint64_t& packed = tensor.along_outputs ? rows : columns;
    packed = words_of_fields(packed, dims.bits);
  }
  return tensor.outputs_first ? Shape{rows, columns} : Shape{columns, rows};
}

DType dtype_of(GroupPart part) {
  if (part == GroupPart::scales) return DType::f16;
  return part == GroupPart::shape ? DType::i64 : DType::i32;
}

std::vector<std::uint16_t> turned(const GroupMatrix& matrix) {
  const std::uint64_t n = matrix.dims.n;
  const std::uint64_t groups = matrix.dims.groups();
  std::vector<std::uint16_t> result(matrix.scales.size());
  for (std::uint64_t o = 0; o < n; ++o) {
    for (std::uint64_t g = 0; g < groups; ++g) result[g * n + o] = matrix.scales[o * groups + g];
  }
  return result;
}

std::vector<std::int32_t> group_indices(const GroupDims& dims) {
  std::vector<std::int32_t> index(dims.k);
  for (std::uint64_t i = 0; i < dims.k; ++i) {
    index[i] = static_cast<std::int32_t>(i / dims.group);
  }
  return index;
}

}  // namespace

std::span<const GroupLayout> all_group_layouts() {
  return kLayouts;
}

const GroupLayout* find_group_layout(std::string_view name) {
  const auto* found = std::find_if(std::begin(kLayouts), std::end(kLayouts),
                                   [&](const GroupLayout& layout) { return layout.name == name; });
  return found == std::end(kLayouts) ? nullptr : found;
}

std::vector<GroupTensorShape> tensors_of(const GroupLayout& layout, const GroupDims& dims,
                                         bool symmetric) {
  std::vector<GroupTensorShape> tensors;
  for (const GroupTensor& tensor : layout.tensors) {
    const bool implied = tensor.part == GroupPart::zeros && symmetric;
    if (implied && !layout.symmetric_has_zeros) continue;
    tensors.push_back({&tensor, dtype_of(tensor.part), shape_of(tensor, dims)});
  }
  return tensors;
}

std::vector<std::byte> write_group_tensor(const GroupLayout& layout, const GroupTensor& tensor,
                                          const GroupMatrix& matrix, unsigned zero_offset) {
  const GroupDims& dims = matrix.dims;
  const FieldOrder order = {
      dims.bits, dims.n, 0, tensor.outputs_first, tensor.along_outputs, layout.interleaved};
  switch (tensor.part) {
    case GroupPart::codes:
      return bytes_of(pack_fields(order.of(dims.k), matrix.codes.data(), 0));
    case GroupPart::zeros:
      return bytes_of(pack_fields(order.of(dims.groups()), matrix.zeros.data(), zero_offset));
    case GroupPart::scales:
      return bytes_of(tensor.outputs_first ? matrix.scales : turned(matrix));
    case GroupPart::index:
      return bytes_of(group_indices(dims));
    case GroupPart::shape:
      break;
  }
  return bytes_of(std::vector<std::uint64_t>{dims.n, dims.k});
}

}  // namespace halfbyte
