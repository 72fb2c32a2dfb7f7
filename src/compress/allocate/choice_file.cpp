#include "compress/allocate/choice_file.h"

#include <map>

#include <fmt/format.h>

#include "base/atomic_output.h"
#include "base/error.h"
#include "base/json.h"
#include "compress/allocate/ledger.h"

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
    if (json.contains("file_type"))
      allocation.file_type = json.at("file_type").get<std::uint32_t>();
    allocation.note = json.at("note").get<std::string>();
  } catch (const Json::exception& error) {
    refuse(path, error.what());
  }
  return allocation;
}

void check_choice(const std::string& path, const AllocationRequest& request,
                  const Allocation& allocation) {
  const Ledger ledger(request);
  std::size_t chosen = 0;
  // Jobs have the types that the tensors can have.
  const std::vector<TensorJob> jobs = ledger.jobs_of(with_types(request, allocation));
  for (const TensorJob& job : jobs) {
    if (!ledger.chooses(job)) continue;
    ++chosen;
    const auto found = allocation.types.find(job.own);
    if (found == allocation.types.end()) refuse(path, fmt::format("lacks '{}'", job.own));
    if (found->second != job.dtype || !request.target.holds(job.dtype)) {
      refuse(path, fmt::format("has a type for '{}' that it cannot have", job.own));
    }
  }
  if (chosen != allocation.types.size()) refuse(path, "names tensors that do not choose");
  if (bytes_of(jobs) > ledger.budget()) refuse(path, "exceeds the budget");
}

}  // namespace

void write_choice(const std::string& path, const Allocation& allocation) {
  const std::map<std::string, DType> sorted(allocation.types.begin(), allocation.types.end());
  Json json = {{"note", allocation.note}, {"types", Json::object()}};
  if (allocation.file_type) json["file_type"] = *allocation.file_type;
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
