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
          : fmt::format("choose a type with groups of {}, which divide all rows", group);
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

// What the rows of one job keep to; as soon as it is nothing, the rest is not looked at.
class RuleSearch {
 public:
  explicit RuleSearch(const GroupType& type)
      : bytes_(info(type.dtype).block_bytes), middle_(1u << (type.bits - 1)) {}

  void add(const std::byte* row, std::uint64_t groups) {
    const GroupScale first = scale_of_group(row);
    for (std::uint64_t g = 0; g < groups; ++g) {
      const GroupScale scale = scale_of_group(row + g * bytes_);
      kept_.symmetric = kept_.symmetric && scale.zero == middle_;
      kept_.by_row = kept_.by_row && scale == first;
      kept_.positive_zeros = kept_.positive_zeros && scale.zero != 0;
    }
  }
  ScaleRules kept() const { return kept_; }

 private:
  std::uint64_t bytes_;
  unsigned middle_;
  ScaleRules kept_ = {.symmetric = true, .by_row = true, .positive_zeros = true};
};

ScaleRules rules_of(const TensorJob& job, const SourceRows& rows) {
  const GroupType& type = *find_group_type(job.dtype);
  const std::uint64_t step = (kRowsAtOnce + rows.grain() - 1) / rows.grain() * rows.grain();
  const std::uint64_t bytes = row_bytes(job.dtype, rows.columns()).value();
  std::vector<std::byte> piece(step * bytes);
  std::vector<std::byte> scratch;
  RuleSearch search(type);
  for (std::uint64_t begin = 0; begin < rows.rows() && search.kept().any(); begin += step) {
    const std::uint64_t end = std::min(rows.rows(), begin + step);
    rows.copy(begin, end, piece.data(), scratch);
    for (std::uint64_t row = 0; row < end - begin; ++row) {
      search.add(&piece[row * bytes], rows.columns() / type.group);
    }
  }
  return search.kept();
}

ScaleRules both(ScaleRules a, ScaleRules b) {
  return {.symmetric = a.symmetric && b.symmetric,
          .by_row = a.by_row && b.by_row,
          .positive_zeros = (a.positive_zeros || a.symmetric) && (b.positive_zeros || b.symmetric)};
}

bool same_bits(DType a, DType b) {
  const GroupType* const one = find_group_type(a);
  const GroupType* const other = find_group_type(b);
  return one != nullptr && other != nullptr && one->bits == other->bits;
}

}  // namespace

const GroupLayout* layout_of(const Target& target) {
  return target.group_layout.empty() ? nullptr : find_group_layout(target.group_layout);
}

bool in_groups(const Target& target, const TensorJob& job) {
  return !target.group_layout.empty() && job.role == Role::matrix;
}

GroupDims dims_of(const TensorJob& job, ScaleRules rules) {
  const GroupType& type = *find_group_type(job.dtype);
  return {type.bits, job.shape[0], job.shape[1], rules.by_row ? job.shape[1] : type.group};
}

void set_rules(const Target& target, ScaleRules asked, std::vector<TensorJob>& jobs) {
  for (TensorJob& job : jobs) {
    if (job.role == Role::vector || find_group_type(job.dtype) == nullptr) continue;
    job.rules = asked;
    const SourceRows rows(job);
    if (!rows.copies() || !(asked.any() || in_groups(target, job))) continue;
    const ScaleRules kept = rules_of(job, rows);
    job.anew = !kept.cover(asked);
    if (!job.anew) job.rules = kept;
  }
}

ScaleRules common_rules(const Target& target, const std::vector<TensorJob>& jobs) {
  ScaleRules common = {.symmetric = true, .by_row = true, .positive_zeros = true};
  const TensorJob* first = nullptr;
  bool differs = false;  // by row from by group
  for (const TensorJob& job : jobs) {
    const GroupType* const type = find_group_type(job.dtype);
    if (!in_groups(target, job) || type == nullptr) continue;
    if (first == nullptr) first = &job;
    common = both(common, job.rules);
    differs = differs || job.dtype != first->dtype || job.shape[1] > type->group;
  }
  common.by_row = common.by_row && differs;
  return common;
}

void check_group_jobs(const Target& target, const std::vector<TensorJob>& jobs) {
  const TensorJob* first = nullptr;
  const bool by_row = common_rules(target, jobs).by_row;
  for (const TensorJob& job : jobs) {
    if (!in_groups(target, job)) continue;
    if (first == nullptr) first = &job;
    const bool alike = by_row ? same_bits(job.dtype, first->dtype) : job.dtype == first->dtype;
    if (!alike) refuse_mixture(target, jobs, *first, job);
    if (!target.holds(job.dtype)) {
      refuse_type(job.dtype,
                  fmt::format("{} cannot hold {} ({}): compress to one of{}", target.name,
                              name(job.dtype), job.own, known_types(target)));
    }
    check_sides(target, job);
  }
}

}  // namespace halfbyte
