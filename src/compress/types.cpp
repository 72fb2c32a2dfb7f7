#include "compress/types.h"

#include <string>

#include <fmt/format.h>

#include "base/error.h"

namespace halfbyte {

namespace {

struct Substitute {
  DType wide;    // blocks of 256
  DType narrow;  // blocks of 32
};
constexpr Substitute kSubstitutes[] = {
    {DType::q2_k, DType::q4_0}, {DType::q3_k, DType::q4_0}, {DType::iq4_xs, DType::iq4_nl},
    {DType::q4_k, DType::q5_0}, {DType::q5_k, DType::q5_1}, {DType::q6_k, DType::q8_0},
};

}  // namespace

DType need_weight_type(std::string_view name) {
  std::string known;
  for (const DTypeInfo& type : all_dtypes()) {
    if (type.encode == nullptr) continue;
    if (type.name == name) return type.dtype;
    known += fmt::format(" {}", type.name);
  }
  fail_usage(
      fmt::format("'{}' is not a type that weights can be written in; choose from{}", name, known));
}

DType fitting_type(DType type, std::uint64_t columns) {
  for (const Substitute& row : kSubstitutes) {
    if (row.wide == type && columns % info(type).block != 0) type = row.narrow;
  }
  return columns % info(type).block == 0 ? type : DType::f16;
}

std::optional<DType> TypePolicy::of(Role role, const std::string& name) const {
  const auto found = named.find(name);
  if (found != named.end()) return found->second;
  const std::optional<DType>* const by_role[] = {&embedding, &head, &matrix, &table, &vector};
  return *by_role[static_cast<std::size_t>(role)];
}

}  // namespace halfbyte
