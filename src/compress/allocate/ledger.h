// What the tensors of a request take, and what its budget leaves for those that choose a type.
#pragma once

#include <cstdint>
#include <vector>

#include "compress/allocate/allocate.h"

namespace halfbyte {

class Ledger {
 public:
  // Fails with kUsage where the smallest types exceed the budget. The request must outlive this.
  explicit Ledger(const AllocationRequest& request);

  const AllocationRequest& request() const { return request_; }
  // With the request's own policy, or another one.
  const std::vector<TensorJob>& jobs() const { return jobs_; }
  std::vector<TensorJob> jobs_of(const TypePolicy& policy) const;
  // Whether a tensor gets a type of its own.
  bool chooses(const TensorJob& job) const;
  std::uint64_t budget() const { return budget_; }
  // Bytes of the budget for all tensors that choose.
  std::uint64_t for_choices() const { return budget_ - fixed_; }
  double bits_of(std::uint64_t bytes) const;

 private:
  void check() const;

  const AllocationRequest& request_;
  std::vector<TensorJob> jobs_;
  std::uint64_t elements_ = 0;
  std::uint64_t budget_ = 0;
  std::uint64_t fixed_ = 0;  // bytes of tensors that do not choose
};

std::uint64_t bytes_of(const std::vector<TensorJob>& jobs);

}  // namespace halfbyte
