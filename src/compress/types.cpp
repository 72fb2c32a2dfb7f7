#include "compress/types.h"

#include <algorithm>
#include <string>

#include <fmt/format.h>

#include "base/error.h"
#include "tensor/group_types.h"

namespace halfbyte {

namespace {

constexpr OutputType kTypes[] = {
    // name, matrices of blocks, token embedding, head
    {"q4_0", DType::q4_0, DType::q8_0, DType::q8_0},
    {"q4_1", DType::q4_1, DType::q8_0, DType::q8_0},
    {"q5_0", DType::q5_0, DType::q8_0, DType::q8_0},
    {"q5_1", DType::q5_1, DType::q8_0, DType::q8_0},
    {"q8_0", DType::q8_0, DType::q8_0, DType::q8_0},
    {"f16", DType::f16, DType::f16, DType::f16},
    {"bf16", DType::bf16, DType::bf16, DType::bf16},
    {"f32", DType::f32, DType::f32, DType::f32},
    {"w2g32", DType::w2g32, DType::q8_0, DType::q8_0},
    {"w2g64", DType::w2g64, DType::q8_0, DType::q8_0},
    {"w2g128", DType::w2g128, DType::q8_0, DType::q8_0},
    {"w3g32", DType::w3g32, DType::q8_0, DType::q8_0},
    {"w3g64", DType::w3g64, DType::q8_0, DType::q8_0},
    {"w3g128", DType::w3g128, DType::q8_0, DType::q8_0},
    {"w4g32", DType::w4g32, DType::q8_0, DType::q8_0},
    {"w4g64", DType::w4g64, DType::q8_0, DType::q8_0},
    {"w4g128", DType::w4g128, DType::q8_0, DType::q8_0},
    {"w8g32", DType::w8g32, DType::q8_0, DType::q8_0},
    {"w8g64", DType::w8g64, DType::q8_0, DType::q8_0},
    {"w8g128", DType::w8g128, DType::q8_0, DType::q8_0},
};

struct FileType {
  DType dtype;
  std::uint32_t id;
};
// K-quants: the id of the "medium" mix, which files of these types are.
constexpr FileType kFileTypes[] = {
    {DType::f32, 0},     {DType::f16, 1},     {DType::q4_0, 2},  {DType::q4_1, 3},
    {DType::q8_0, 7},    {DType::q5_0, 8},    {DType::q5_1, 9},  {DType::q2_k, 10},
    {DType::q3_k, 12},   {DType::q4_k, 15},   {DType::q5_k, 17}, {DType::q6_k, 18},
    {DType::iq4_nl, 25}, {DType::iq4_xs, 30}, {DType::bf16, 32},
};

}  // namespace

std::span<const OutputType> all_output_types() {
  return kTypes;
}

const OutputType* find_output_type(std::string_view name) {
  const auto* found = std::find_if(std::begin(kTypes), std::end(kTypes),
                                   [&](const OutputType& type) { return type.name == name; });
  return found == std::end(kTypes) ? nullptr : found;
}

DType need_weight_type(std::string_view name) {
  if (const OutputType* type = find_output_type(name)) return type->matrix;
  std::string known;
  for (const OutputType& type : kTypes) known += fmt::format(" {}", type.name);
  fail_usage(
      fmt::format("'{}' is not a type that weights can be written in; choose from{}", name, known));
}

DType fitting_type(DType type, std::uint64_t columns) {
  while (columns % info(type).block != 0) {
    const GroupType* wide = find_group_type(type);
    const GroupType* narrow = wide ? find_group_type(wide->bits, wide->group / 2) : nullptr;
    if (narrow == nullptr) return DType::f16;
    type = narrow->dtype;
  }
  return type;
}

std::optional<DType> TypePolicy::of(Role role, const std::string& name) const {
  const auto found = named.find(name);
  if (found != named.end()) return found->second;
  const std::optional<DType>* const by_role[] = {&embedding, &head, &matrix, &table, &vector};
  return *by_role[static_cast<std::size_t>(role)];
}

std::uint32_t gguf_file_type(DType dtype) {
  for (const FileType& row : kFileTypes) {
    if (row.dtype == dtype) return row.id;
  }
  return 0;
}

}  // namespace halfbyte
