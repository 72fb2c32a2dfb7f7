#include "compress/allocate/allocate.h"

#include <algorithm>
#include <cmath>
#include <map>

#include <fmt/format.h>

#include "base/error.h"
#include "compress/allocate/search.h"
#include "compress/allocate/sensitivity.h"
#include "compress/mixes.h"

namespace halfbyte {

namespace {

constexpr std::size_t kSamples = 4;
constexpr std::size_t kSampleTokens = 256;
constexpr std::size_t kTrials = 40;
constexpr std::size_t kPresets = 2;  // the largest that fit are compared
constexpr double kProbeStep = 0.5;   // bits a weight below the budget: errors must show

std::vector<Sample> few_samples(const std::vector<Sample>& all) {
  const std::size_t count = std::min(all.size(), kSamples);
  std::vector<Sample> few;
  for (std::size_t i = 0; i < count; ++i) {
    Sample& sample = few.emplace_back(all[i * all.size() / count]);
    sample.resize(std::min(sample.size(), kSampleTokens));
  }
  return few;
}

// A preset as types of all tensors, and its size.
struct Preset {
  std::string name;
  TypePolicy policy;
  TypesByName types;
  std::uint64_t bytes = 0;
};

class Allocator {
 public:
  Allocator(const AllocationRequest& request, ThreadPool& pool, const ProgressSink& progress)
      : request_(request), pool_(pool), progress_(progress), jobs_(jobs_of(request.policy)) {
    for (const TensorJob& job : jobs_) elements_ += element_count(job.shape).value();
    budget_ = request.budget.bytes ? *request.budget.bytes
                                   : static_cast<std::uint64_t>(*request.budget.bits_per_weight *
                                                                static_cast<double>(elements_) / 8);
  }

  Allocation run() {
    const Plan plan = make_plan(request_.source.spec());
    std::vector<Group> groups = make_groups(plan, jobs_, request_.target, request_.fixed);
    const std::uint64_t spent = check_budget(groups);
    const std::vector<Sample> samples = few_samples(request_.calibration.samples);
    Probe probe(request_.source, samples, pool_, request_.calibration.features);
    GroupEncoder encoder(probe);
    const std::vector<Preset> presets = presets_that_fit();
    total_ = groups.size() + kTrials + presets.size();
    const std::function<void()> tick = [this] { step(); };
    // The probe has a plan of its own, with the same steps.
    groups = make_groups(probe.plan(), jobs_, request_.target, request_.fixed);
    std::vector<Options> costs =
        measure_costs(probe, encoder, groups, bits_of(budget_) - kProbeStep, tick);
    drop_dominated(groups, costs);
    Chosen chosen = choose(probe, encoder, groups, solve_budget(costs, budget_ - spent));
    improve(probe, encoder, groups, costs, budget_ - spent, kTrials, tick, chosen);
    return best_of(probe, encoder, groups, chosen, presets);
  }

 private:
  std::vector<TensorJob> jobs_of(const TypePolicy& policy) const {
    std::vector<std::string> ignored;
    return make_jobs(request_.source, request_.target,
                     request_.target.conventions(request_.source.spec()), policy, ignored);
  }

  double bits_of(std::uint64_t bytes) const {
    return 8.0 * static_cast<double>(bytes) / static_cast<double>(elements_);
  }

  void step() {
    ++done_;
    if (progress_) progress_("choosing types", std::min(done_, total_), total_);
  }

  // Bytes of what is in no group; fails where the smallest types of the rest do not fit.
  std::uint64_t check_budget(const std::vector<Group>& groups) const {
    std::uint64_t fixed = 0;
    for (const TensorJob& job : jobs_) {
      if (!is_grouped(job)) fixed += job.bytes();
    }
    std::uint64_t smallest = fixed;
    for (const Group& group : groups) smallest += group.bytes.front();
    if (smallest <= budget_) return fixed;
    fail_usage(fmt::format(
        "the budget of {} bytes ({:.3f} bits a weight) is too small: the smallest types take {} "
        "bytes ({:.3f} bits a weight)",
        budget_, bits_of(budget_), smallest, std::ceil(bits_of(smallest) * 1000.0) / 1000.0));
  }

  bool is_grouped(const TensorJob& job) const {
    const bool can =
        job.role == Role::matrix || job.role == Role::embedding || job.role == Role::head;
    return can && std::find(request_.fixed.begin(), request_.fixed.end(), job.role) ==
                      request_.fixed.end();
  }

  // The largest presets within the budget, the largest first.
  std::vector<Preset> presets_that_fit() const {
    std::vector<Preset> presets;
    for (const OutputType& type : all_output_types()) {
      if (type.by_row || !request_.target.holds(type.matrix)) continue;
      TypePolicy policy = mix_policy(type, request_.source.spec(), true);
      policy.table = request_.policy.table;
      policy.vector = request_.policy.vector;
      for (const Role role : request_.fixed) {
        (role == Role::head ? policy.head : policy.embedding) = request_.policy.of(role, "");
      }
      Preset preset{std::string(type.name), std::move(policy), {}, 0};
      for (const TensorJob& job : jobs_of(preset.policy)) {
        preset.types.emplace(job.own, job.dtype);
        preset.bytes += job.bytes();
      }
      if (preset.bytes <= budget_) presets.push_back(std::move(preset));
    }
    std::stable_sort(presets.begin(), presets.end(),
                     [](const Preset& a, const Preset& b) { return a.bytes > b.bytes; });
    presets.resize(std::min(presets.size(), kPresets));
    return presets;
  }

  double divergence_of(Probe& probe, GroupEncoder& encoder, const std::vector<Group>& groups,
                       const Preset& preset) {
    std::vector<ChangedTensor> tensors;
    for (const Group& group : groups) {
      for (const int weight : group.weights) {
        const DType type =
            preset.types.at(probe.plan().weights[static_cast<std::size_t>(weight)].name);
        tensors.push_back(encoder.encode(group, weight, type));
      }
    }
    return probe.change(probe.original(), std::move(tensors)).divergence;
  }

  Allocation best_of(Probe& probe, GroupEncoder& encoder, const std::vector<Group>& groups,
                     const Chosen& chosen, const std::vector<Preset>& presets) {
    double best = chosen.model.divergence;
    Allocation allocation = allocation_of(probe.plan(), groups, chosen);
    for (const Preset& preset : presets) {
      const double divergence = divergence_of(probe, encoder, groups, preset);
      step();
      if (divergence >= best) continue;
      best = divergence;
      allocation = {preset.policy, fmt::format("{:.2f} bits a weight: the types of {}",
                                               bits_of(preset.bytes), preset.name)};
    }
    return allocation;
  }

  Allocation allocation_of(const Plan& plan, const std::vector<Group>& groups,
                           const Chosen& chosen) const {
    Allocation allocation{request_.policy, ""};
    allocation.policy.file_type = std::nullopt;
    std::map<DType, std::size_t> counts;
    for (std::size_t i = 0; i < groups.size(); ++i) {
      const DType type = groups[i].types[chosen.options[i]];
      for (const int weight : groups[i].weights) {
        allocation.policy.named[plan.weights[static_cast<std::size_t>(weight)].name] = type;
        ++counts[type];
      }
    }
    std::uint64_t bytes = 0;
    for (const TensorJob& job : jobs_of(allocation.policy)) bytes += job.bytes();
    allocation.note = fmt::format("{:.2f} bits a weight:", bits_of(bytes));
    const char* between = " ";
    for (const auto& [type, count] : counts) {
      allocation.note += fmt::format("{}{} x {}", between, count, name(type));
      between = ", ";
    }
    return allocation;
  }

  const AllocationRequest& request_;
  ThreadPool& pool_;
  const ProgressSink& progress_;
  std::vector<TensorJob> jobs_;
  std::uint64_t elements_ = 0;
  std::uint64_t budget_ = 0;
  std::size_t done_ = 0;
  std::size_t total_ = 0;
};

}  // namespace

Allocation allocate(const AllocationRequest& request, ThreadPool& pool,
                    const ProgressSink& progress) {
  const ModelSpec& spec = request.source.spec();
  if (!spec.has_head || spec.encoder) {
    fail_usage("types are chosen by what they do to predictions: that needs a decoder-only model");
  }
  return Allocator(request, pool, progress).run();
}

}  // namespace halfbyte
