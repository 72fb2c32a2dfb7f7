#include "compress/allocate/candidates.h"

#include <algorithm>
#include <optional>

#include "compress/allocate/sensitivity.h"

namespace halfbyte {

namespace {

// Costs measured one group at a time do not quite add up. Each row multiplies some of them.
struct Leaning {
  double ends;    // the embedding's and the head's
  double coarse;  // those of types well below the budget
};
constexpr Leaning kLeanings[] = {{1.0, 1.0}, {2.0, 1.0}, {0.5, 1.0}, {1.0, 1.5}};
constexpr std::string_view kThroughout = " throughout";
constexpr double kCoarse = 0.5;          // bits a weight below the budget
constexpr std::uint64_t kTrimmed = 100;  // a uniform choice may exceed the budget by its 100th

std::vector<Options> leaning(const Leaning& leaning, double bits, const std::vector<Group>& groups,
                             std::vector<Options> costs) {
  for (std::size_t i = 0; i < groups.size(); ++i) {
    for (std::size_t j = 0; j < costs[i].size(); ++j) {
      if (groups[i].step == nullptr) costs[i][j].cost *= leaning.ends;
      if (bits_of(groups[i].types[j]) < bits - kCoarse) costs[i][j].cost *= leaning.coarse;
    }
  }
  return costs;
}

Candidate solve(const Ledger& ledger, std::vector<Group> groups, std::vector<Options> costs) {
  drop_dominated(groups, costs);
  const std::vector<std::size_t> options = solve_budget(costs, ledger.for_choices());
  Candidate candidate;
  for (std::size_t i = 0; i < groups.size(); ++i) {
    candidate.types.push_back(groups[i].types[options[i]]);
  }
  return candidate;
}

bool is_among(const Candidate& candidate, const std::vector<Candidate>& all) {
  return std::any_of(all.begin(), all.end(),
                     [&](const Candidate& other) { return other.types == candidate.types; });
}

// Where all tensors have the type of the matrices.
TypePolicy pure_policy(const OutputType& type, const ModelSpec& spec) {
  TypePolicy policy;
  policy.embedding = policy.head = fitting_type(type.matrix, spec.width);
  policy.matrix = type.matrix;
  return policy;
}

struct Rated {
  Candidate candidate;
  double cost = 0.0;
};

class UniformRater {
 public:
  UniformRater(const Ledger& ledger, const Plan& plan, const std::vector<Group>& groups,
               const std::vector<Options>& costs)
      : ledger_(ledger), plan_(plan), groups_(groups), costs_(costs) {}

  // Nothing where the policy is well beyond the budget, or has types that groups do not choose
  // from. One just beyond it is made to fit, and is then no longer `like` anything.
  std::optional<Rated> rate(std::string like, const TypePolicy& policy) const {
    const std::vector<TensorJob> jobs = ledger_.jobs_of(completed(policy));
    const std::uint64_t bytes = bytes_of(jobs);
    if (bytes > ledger_.budget() + ledger_.budget() / kTrimmed) return std::nullopt;
    std::optional<std::vector<std::size_t>> options = options_of(jobs);
    if (options && bytes > ledger_.budget()) {
      options = trimmed(*options);
      like.clear();
    }
    if (!options) return std::nullopt;
    Rated rated{{{}, std::move(like)}};
    for (std::size_t i = 0; i < groups_.size(); ++i) {
      rated.candidate.types.push_back(groups_[i].types[(*options)[i]]);
      rated.cost += costs_[i][(*options)[i]].cost;
    }
    return rated;
  }

 private:
  // With what the request says of all that does not choose.
  TypePolicy completed(TypePolicy policy) const {
    const AllocationRequest& request = ledger_.request();
    policy.table = request.policy.table;
    policy.vector = request.policy.vector;
    for (const Role role : request.fixed) {
      (role == Role::head ? policy.head : policy.embedding) = request.policy.of(role, "");
    }
    return policy;
  }

  // By group.
  std::optional<std::vector<std::size_t>> options_of(const std::vector<TensorJob>& jobs) const {
    TypesByName types;
    for (const TensorJob& job : jobs) types.emplace(job.own, job.dtype);
    std::vector<std::size_t> options;
    for (const Group& group : groups_) {
      const auto type = type_of(group, types);
      const auto found =
          type ? std::find(group.types.begin(), group.types.end(), *type) : group.types.end();
      if (found == group.types.end()) return std::nullopt;
      options.push_back(static_cast<std::size_t>(found - group.types.begin()));
    }
    return options;
  }

  // Groups get smaller types, as few and as cheaply as the budget asks for. Nothing where it asks
  // for more than the smallest.
  std::optional<std::vector<std::size_t>> trimmed(const std::vector<std::size_t>& options) const {
    std::vector<Options> smaller = costs_;
    for (std::size_t i = 0; i < smaller.size(); ++i) smaller[i].resize(options[i] + 1);
    std::vector<std::size_t> chosen = solve_budget(smaller, ledger_.for_choices());
    return chosen.empty() ? std::nullopt : std::optional(std::move(chosen));
  }

  // That of all its tensors, if it is one.
  std::optional<DType> type_of(const Group& group, const TypesByName& types) const {
    std::optional<DType> common;
    for (const int weight : group.weights) {
      const DType type = types.at(plan_.weights[static_cast<std::size_t>(weight)].name);
      if (common && *common != type) return std::nullopt;
      common = type;
    }
    return common;
  }

  const Ledger& ledger_;
  const Plan& plan_;
  const std::vector<Group>& groups_;
  const std::vector<Options>& costs_;
};

}  // namespace

const OutputType* find_uniform(std::string_view like) {
  if (like.ends_with(kThroughout)) like.remove_suffix(kThroughout.size());
  return find_output_type(like);
}

std::vector<Candidate> solved_candidates(const Ledger& ledger, const std::vector<Group>& groups,
                                         const std::vector<Options>& costs) {
  const double bits = ledger.bits_of(ledger.budget());
  std::vector<Candidate> candidates;
  for (const Leaning& row : kLeanings) {
    Candidate candidate = solve(ledger, groups, leaning(row, bits, groups, costs));
    if (!is_among(candidate, candidates)) candidates.push_back(std::move(candidate));
  }
  return candidates;
}

std::vector<Candidate> uniform_candidates(const Ledger& ledger, const Plan& plan,
                                          const std::vector<Group>& groups,
                                          const std::vector<Options>& costs, std::size_t count) {
  const UniformRater rater(ledger, plan, groups, costs);
  const ModelSpec& spec = ledger.request().source.spec();
  std::vector<Rated> rated;
  for (const OutputType& type : all_output_types()) {
    if (type.by_row || !ledger.request().target.holds(type.matrix)) continue;
    const std::string name(type.name);
    if (auto mix = rater.rate(name, mix_policy(type, spec, true))) rated.push_back(*mix);
    if (auto pure = rater.rate(name + std::string(kThroughout), pure_policy(type, spec))) {
      rated.push_back(*pure);
    }
  }
  std::stable_sort(rated.begin(), rated.end(),
                   [](const Rated& a, const Rated& b) { return a.cost < b.cost; });
  std::vector<Candidate> candidates;
  for (Rated& one : rated) {
    if (candidates.size() == count) break;
    if (!is_among(one.candidate, candidates)) candidates.push_back(std::move(one.candidate));
  }
  return candidates;
}

}  // namespace halfbyte
