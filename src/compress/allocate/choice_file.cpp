#include "compress/allocate/choice_file.h"

#include <algorithm>
#include <map>
#include <optional>

#include <fmt/format.h>

#include "base/atomic_output.h"
#include "base/error.h"
#include "base/json.h"
#include "compress/allocate/candidates.h"

namespace halfbyte {

namespace {

[[noreturn]] void refuse(const std::string& path, std::string_view what) {
  fail_malformed(path, fmt::format("{}; run without --resume", what));
}

Allocation parse_choice(const std::string& path) {
  Allocation allocation;
  try {
    const Json json = read_json_file(path);
    for (const auto& [tensor, type] : json.at("types").items()) {
      const DTypeInfo* const known = find_dtype(type.get<std::string>());
      if (known == nullptr) refuse(path, "names a type that is not known");
      allocation.types.emplace(tensor, known->dtype);
    }
    allocation.like = json.at("like").get<std::string>();
  } catch (const Json::exception& error) {
    refuse(path, error.what());
  }
  return allocation;
}

// The type of a group's tensors, which is one; its place among those that the group can have.
std::size_t option_of(const std::string& path, const Plan& plan, const Group& group,
                      const Allocation& allocation) {
  std::optional<DType> common;
  for (const int weight : group.weights) {
    const std::string& tensor = plan.weights[static_cast<std::size_t>(weight)].name;
    const auto found = allocation.types.find(tensor);
    if (found == allocation.types.end()) refuse(path, fmt::format("lacks '{}'", tensor));
    if (common && found->second != *common) {
      refuse(path, fmt::format("'{}' has another type than its neighbours", tensor));
    }
    common = found->second;
  }
  const auto option = std::find(group.types.begin(), group.types.end(), common);
  if (option == group.types.end()) {
    refuse(path, fmt::format("{} is no type to choose here", name(*common)));
  }
  return static_cast<std::size_t>(option - group.types.begin());
}

void check_choice(const std::string& path, const AllocationRequest& request,
                  const Allocation& allocation) {
  const Ledger ledger(request);
  const Plan plan = make_plan(request.source.spec());
  std::size_t tensors = 0;
  std::uint64_t bytes = 0;
  for (const Group& group : make_groups(plan, ledger.jobs(), request.target, request.fixed)) {
    tensors += group.weights.size();
    bytes += group.bytes[option_of(path, plan, group, allocation)];
  }
  if (tensors != allocation.types.size()) refuse(path, "names tensors that do not choose");
  if (bytes > ledger.for_choices()) refuse(path, "exceeds the budget");
  if (!allocation.like.empty() && find_uniform(allocation.like) == nullptr) {
    refuse(path, "names a choice that is not known");
  }
}

}  // namespace

void write_choice(const std::string& path, const Allocation& allocation) {
  const std::map<std::string, DType> sorted(allocation.types.begin(), allocation.types.end());
  Json json = {{"like", allocation.like}, {"types", Json::object()}};
  for (const auto& [tensor, type] : sorted) json["types"][tensor] = name(type);
  AtomicFile file(path);
  file.file().write(json.dump(1));
  file.commit();
}

Allocation read_choice(const std::string& path, const AllocationRequest& request) {
  Allocation allocation = parse_choice(path);
  check_choice(path, request, allocation);
  return allocation;
}

}  // namespace halfbyte
