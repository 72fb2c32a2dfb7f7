#include "compress/allocate/allocate.h"

#include <algorithm>
#include <limits>
#include <map>

#include <fmt/format.h>

#include "base/error.h"
#include "compress/allocate/candidates.h"
#include "compress/allocate/ledger.h"
#include "compress/allocate/sensitivity.h"
#include "compress/allocate/survey.h"

namespace halfbyte {

namespace {

constexpr std::size_t kSamples = 8;
constexpr std::size_t kSampleTokens = 64;
constexpr std::size_t kUniform = 2;     // the best of those that fit are measured
constexpr double kMaxProbedBits = 4.5;  // above, errors do not show

// Pieces from all over the text, the same number from each sample where there are few.
std::vector<Sample> pieces_of(const std::vector<Sample>& all) {
  std::vector<Sample> pieces;
  std::vector<std::size_t> taken(all.size());
  for (std::size_t i = 0; i < kSamples; ++i) {
    const std::size_t from = i * all.size() / kSamples;
    const Sample& sample = all[from];
    const std::size_t begin = taken[from];
    const std::size_t end = std::min(begin + kSampleTokens, sample.size());
    if (end < begin + 2) continue;
    pieces.emplace_back(sample.begin() + static_cast<std::ptrdiff_t>(begin),
                        sample.begin() + static_cast<std::ptrdiff_t>(end));
    taken[from] = end;
  }
  return pieces;
}

class Allocator {
 public:
  Allocator(const AllocationRequest& request, const std::string& folder, ThreadPool& pool,
            const ProgressSink& progress)
      : ledger_(request),
        folder_(folder),
        progress_(progress),
        probe_(request.source, pieces_of(request.calibration.samples), pool,
               request.calibration.features),
        encoder_(probe_),
        groups_(make_groups(probe_.plan(), ledger_.jobs(), request.target, request.fixed)),
        shares_(groups_.size(), 1.0) {}

  Allocation run() {
    const bool surveys = !ledger_.request().recipe.only_rounds();
    total_ = groups_.size() * (surveys ? 2 : 1);
    const double bits = std::min(ledger_.bits_of(ledger_.budget()), kMaxProbedBits);
    const std::vector<std::size_t> probed = probed_options(groups_, bits);
    MeasuredCosts measured = measure_costs(probe_, encoder_, groups_, probed, [this] { step(); });
    if (surveys) survey_costs(probed, measured);
    const std::vector<Options>& costs = measured.options;
    std::vector<Candidate> candidates = solved_candidates(ledger_, groups_, costs);
    std::vector<Candidate> uniform =
        uniform_candidates(ledger_, probe_.plan(), groups_, costs, kUniform);
    std::move(uniform.begin(), uniform.end(), std::back_inserter(candidates));
    total_ += candidates.size();
    return allocation_of(best_of(candidates));
  }

 private:
  void step() {
    ++done_;
    if (progress_) progress_("choosing types", done_, total_);
  }

  // Costs of what the recipe makes of groups, in place of those of rounding.
  void survey_costs(const std::vector<std::size_t>& probed, MeasuredCosts& measured) {
    const AllocationRequest& request = ledger_.request();
    survey({request.source, request.recipe, request.calibration, folder_, groups_, probed},
           probe_.pool(), [&](const SurveyedGroup& one) {
             const std::size_t i = one.group;
             const double divergence =
                 above_noise(probe_.divergence(one.changes), measured.noise[i]);
             Options& costs = measured.options[i];
             const double rounded = costs[probed[i]].cost;
             if (rounded > 0.0) shares_[i] = divergence / rounded;
             costs = costs_of(groups_[i], one.errors, probed[i], divergence);
             step();
           });
  }

  // By what they do to the predictions.
  const Candidate& best_of(const std::vector<Candidate>& candidates) {
    double least = std::numeric_limits<double>::infinity();
    const Candidate* best = &candidates.front();
    std::vector<Changes> kept(groups_.size());  // the best one's
    for (const Candidate& candidate : candidates) {
      std::vector<Changes> own = encode(candidate, kept);
      Changes all;
      for (const Changes& group : own) all.insert(all.end(), group.begin(), group.end());
      const double divergence = probe_.divergence(all);
      step();
      if (divergence >= least) continue;
      least = divergence;
      best = &candidate;
      kept = std::move(own);
    }
    return *best;
  }

  // By group; those that have the same type in another candidate need not be encoded again.
  std::vector<Changes> encode(const Candidate& candidate, const std::vector<Changes>& known) {
    std::vector<Changes> changes;
    for (std::size_t i = 0; i < groups_.size(); ++i) {
      const DType type = candidate.types[i];
      const bool same = !known[i].empty() && known[i].front()->dtype == type;
      changes.push_back(same ? known[i] : encoder_.encode(groups_[i], type, shares_[i]));
    }
    return changes;
  }

  Allocation allocation_of(const Candidate& candidate) const {
    Allocation allocation{{}, candidate.like};
    for (std::size_t i = 0; i < groups_.size(); ++i) {
      for (const int weight : groups_[i].weights) {
        allocation.types[probe_.plan().weights[static_cast<std::size_t>(weight)].name] =
            candidate.types[i];
      }
    }
    return allocation;
  }

  Ledger ledger_;
  const std::string& folder_;
  const ProgressSink& progress_;
  Probe probe_;
  GroupEncoder encoder_;
  std::vector<Group> groups_;
  std::vector<double> shares_;  // of rounding's divergence, what the recipe leaves of each group
  std::size_t done_ = 0;
  std::size_t total_ = 0;
};

}  // namespace

void check_allocation(const AllocationRequest& request) {
  const ModelSpec& spec = request.source.spec();
  if (!spec.has_head || spec.encoder) {
    fail_usage("types are chosen by what they do to predictions: that needs a decoder-only model");
  }
  if (spec.main_stack().experts) {
    fail_unsupported("",
                     "types for a budget cannot be chosen for mixtures of experts yet: name "
                     "one type");
  }
  const Ledger checked(request);
}

Allocation allocate(const AllocationRequest& request, const std::string& folder, ThreadPool& pool,
                    const ProgressSink& progress) {
  return Allocator(request, folder, pool, progress).run();
}

TypePolicy with_types(const AllocationRequest& request, const Allocation& allocation) {
  TypePolicy policy = request.policy;
  policy.named = allocation.types;
  const OutputType* const row = find_uniform(allocation.like);
  policy.file_type = row == nullptr ? std::nullopt : std::optional(row->file_type);
  return policy;
}

std::string note_of(const AllocationRequest& request, const Allocation& allocation) {
  const Ledger ledger(request);
  const std::uint64_t bytes = bytes_of(ledger.jobs_of(with_types(request, allocation)));
  std::string note = fmt::format("{:.2f} bits a weight:", ledger.bits_of(bytes));
  if (!allocation.like.empty()) return fmt::format("{} the types of {}", note, allocation.like);
  std::map<DType, std::size_t> counts;
  for (const auto& [tensor, type] : allocation.types) ++counts[type];
  const char* between = " ";
  for (const auto& [type, count] : counts) {
    note += fmt::format("{}{} x {}", between, count, name(type));
    between = ", ";
  }
  return note;
}

}  // namespace halfbyte
