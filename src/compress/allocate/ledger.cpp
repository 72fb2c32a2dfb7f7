#include "compress/allocate/ledger.h"

#include <algorithm>
#include <cmath>

#include <fmt/format.h>

#include "base/error.h"
#include "compress/allocate/groups.h"

namespace halfbyte {

Ledger::Ledger(const AllocationRequest& request)
    : request_(request), jobs_(jobs_of(request.policy)) {
  for (const TensorJob& job : jobs_) {
    elements_ += element_count(job.shape).value();
    if (!chooses(job)) fixed_ += job.bytes();
  }
  const Budget& asked = request.budget;
  budget_ =
      asked.bytes
          ? *asked.bytes
          : static_cast<std::uint64_t>(*asked.bits_per_weight * static_cast<double>(elements_) / 8);
  check();
}

std::vector<TensorJob> Ledger::jobs_of(const TypePolicy& policy) const {
  std::vector<std::string> ignored;
  return make_jobs(request_.source, request_.target,
                   request_.target.conventions(request_.source.spec()), policy, ignored);
}

bool Ledger::chooses(const TensorJob& job) const {
  const bool can =
      job.role == Role::matrix || job.role == Role::embedding || job.role == Role::head;
  const std::vector<Role>& fixed = request_.fixed;
  return can && std::find(fixed.begin(), fixed.end(), job.role) == fixed.end();
}

double Ledger::bits_of(std::uint64_t bytes) const {
  return 8.0 * static_cast<double>(bytes) / static_cast<double>(elements_);
}

void Ledger::check() const {
  const Plan plan = make_plan(request_.source.spec());
  std::uint64_t smallest = fixed_;
  for (const Group& group : make_groups(plan, jobs_, request_.target, request_.fixed)) {
    smallest += group.bytes.front();
  }
  if (smallest <= budget_) return;
  fail_usage(fmt::format(
      "the budget of {} bytes ({:.3f} bits a weight) is too small: the smallest types take {} "
      "bytes ({:.3f} bits a weight)",
      budget_, bits_of(budget_), smallest, std::ceil(bits_of(smallest) * 1000.0) / 1000.0));
}

std::uint64_t bytes_of(const std::vector<TensorJob>& jobs) {
  std::uint64_t bytes = 0;
  for (const TensorJob& job : jobs) bytes += job.bytes();
  return bytes;
}

}  // namespace halfbyte
