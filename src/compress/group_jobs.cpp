#include "compress/group_jobs.h"

#include <algorithm>

#include <fmt/format.h>

#include "base/error.h"
#include "compress/source_rows.h"

namespace halfbyte {

namespace {

constexpr std::uint64_t kWord = 32;  // bits
constexpr std::uint64_t kRowsAtOnce = 64;

std::string known_types(const Target& target) {
  std::string names;
  for (const DTypeInfo& type : all_dtypes()) {
    if (is_quantized(type.dtype) && target.holds(type.dtype))
      names += fmt::format(" {}", name(type.dtype));
  }
  return names;
}

// The largest groups that divide all rows; 0: none do.
std::uint64_t common_group(const Target& target, const std::vector<TensorJob>& jobs) {
  std::uint64_t best = 0;
  for (const GroupType& type : all_group_types()) {
    const bool divides = std::all_of(jobs.begin(), jobs.end(), [&](const TensorJob& job) {
      return job.role != Role::matrix || job.shape[1] % type.group == 0;
    });
    if (divides && target.holds(type.dtype)) best = std::max<std::uint64_t>(best, type.group);
  }
  return best;
}

[[noreturn]] void refuse_mixture(const Target& target, const std::vector<TensorJob>& jobs,
                                 const TensorJob& first, const TensorJob& other) {
  const std::uint64_t group = common_group(target, jobs);
  const std::string advice =
      group == 0
          ? fmt::format("rows of {} are no multiple of 32: choose another format", other.shape[1])
          : fmt::format("choose a type with groups of {} (rows of {})", group, other.shape[1]);
  fail_usage(fmt::format("{} holds matrices of one type, but {} is {} and {} is {}: {}",
                         target.name, first.own, name(first.dtype), other.own, name(other.dtype),
                         advice));
}

void check_sides(const Target& target, const TensorJob& job) {
  const GroupType* const type = find_group_type(job.dtype);
  if (type == nullptr) return;
  for (const GroupTensor& tensor : layout_of(target)->tensors) {
    if (!tensor.along_outputs || tensor.optional) continue;
    if (job.shape[0] * type->bits % kWord == 0) continue;
    fail_usage(
        fmt::format("{} packs outputs into words of 32 bits, which {}'s {} do not fill: "
                    "choose compressed-tensors, gguf or a bundle",
                    target.name, job.own, job.shape[0]));
  }
}

bool zeros_in_the_middle(const TensorJob& job) {
  if (find_group_type(job.dtype) == nullptr) return true;
  const GroupType& type = *find_group_type(job.dtype);
  const SourceRows rows(job);
  if (!rows.copies()) return false;
  const std::uint64_t step = (kRowsAtOnce + rows.grain() - 1) / rows.grain() * rows.grain();
  const std::uint64_t bytes = row_bytes(job.dtype, rows.columns()).value();
  std::vector<std::byte> piece(step * bytes);
  std::vector<std::byte> scratch;
  std::vector<std::uint8_t> codes(type.group);
  for (std::uint64_t begin = 0; begin < rows.rows(); begin += step) {
    const std::uint64_t end = std::min(rows.rows(), begin + step);
    rows.copy(begin, end, piece.data(), scratch);
    for (std::uint64_t at = 0; at < (end - begin) * bytes; at += info(type.dtype).block_bytes) {
      const GroupScale scale = unpack_group(type, &piece[at], codes.data());
      if (scale.zero != 1u << (type.bits - 1)) return false;
    }
  }
  return true;
}

}  // namespace

const GroupLayout* layout_of(const Target& target) {
  return target.group_layout.empty() ? nullptr : find_group_layout(target.group_layout);
}

bool in_groups(const Target& target, const TensorJob& job) {
  return !target.group_layout.empty() && job.role == Role::matrix;
}

GroupDims dims_of(const TensorJob& job) {
  const GroupType& type = *find_group_type(job.dtype);
  return {type.bits, job.shape[0], job.shape[1], type.group};
}

void check_group_jobs(const Target& target, const std::vector<TensorJob>& jobs) {
  const TensorJob* first = nullptr;
  for (const TensorJob& job : jobs) {
    if (!in_groups(target, job)) continue;
    if (first == nullptr) first = &job;
    if (job.dtype != first->dtype) refuse_mixture(target, jobs, *first, job);
    if (!target.holds(job.dtype)) {
      refuse_type(job.dtype,
                  fmt::format("{} cannot hold {} ({}): compress to one of{}", target.name,
                              name(job.dtype), job.own, known_types(target)));
    }
    check_sides(target, job);
  }
}

bool zeros_in_the_middle(const Target& target, const std::vector<TensorJob>& jobs) {
  return std::all_of(jobs.begin(), jobs.end(), [&](const TensorJob& job) {
    return !in_groups(target, job) || zeros_in_the_middle(job);
  });
}

}  // namespace halfbyte
