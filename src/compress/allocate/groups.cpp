#include "compress/allocate/groups.h"

#include <algorithm>

#include "compress/calibrate/block_runner.h"

namespace halfbyte {

namespace {

// From these types groups choose; where two are alike the earlier one wins.
constexpr DType kCandidates[] = {
    DType::q2_k,  DType::q3_k,   DType::iq4_xs, DType::q4_k,   DType::q5_k,  DType::q6_k,
    DType::q8_0,  DType::iq4_nl, DType::q4_0,   DType::q4_1,   DType::q5_0,  DType::q5_1,
    DType::w2g32, DType::w2g64,  DType::w2g128, DType::w3g32,  DType::w3g64, DType::w3g128,
    DType::w4g32, DType::w4g64,  DType::w4g128, DType::w8g128, DType::f16,
};

class GroupMaker {
 public:
  GroupMaker(const Plan& plan, const std::vector<TensorJob>& jobs, const Target& target,
             const std::vector<Role>& fixed)
      : plan_(plan), target_(target), fixed_(fixed) {
    for (const TensorJob& job : jobs) jobs_.emplace(job.own, &job);
  }

  std::vector<Group> make() {
    const std::vector<Block> blocks = blocks_of(plan_);
    for (const Step& step : plan_.embed) add(0, nullptr, tables_of(step));
    for (const Block& block : blocks) {
      for (std::size_t i = block.begin; i < block.end; ++i) {
        const Step& step = plan_.decoder.steps[i];
        for (const Piece& piece : step.pieces) add(block.index + 1, &step, {piece.weight});
      }
    }
    if (job_of(plan_.head).role == Role::head) add(blocks.size() + 1, nullptr, {plan_.head});
    return std::move(groups_);
  }

 private:
  const TensorJob& job_of(int weight) const {
    return *jobs_.at(plan_.weights[static_cast<std::size_t>(weight)].name);
  }

  std::vector<int> tables_of(const Step& step) const {
    std::vector<int> weights;
    for (const Piece& piece : step.pieces) {
      if (job_of(piece.weight).role == Role::embedding) weights.push_back(piece.weight);
    }
    return weights;
  }

  bool fits(const std::vector<int>& weights, DType type) const {
    return target_.holds(type) && std::all_of(weights.begin(), weights.end(), [&](int weight) {
             return job_of(weight).shape.back() % info(type).block == 0;
           });
  }

  std::uint64_t bytes_of(const std::vector<int>& weights, DType type) const {
    std::uint64_t bytes = 0;
    for (const int weight : weights) {
      TensorJob job = job_of(weight);
      job.dtype = type;
      bytes += job.bytes();
    }
    return bytes;
  }

  void add(std::size_t part, const Step* step, std::vector<int> weights) {
    if (weights.empty()) return;
    const Role role = job_of(weights.front()).role;
    if (std::find(fixed_.begin(), fixed_.end(), role) != fixed_.end()) return;
    Group& group = groups_.emplace_back(Group{part, step, std::move(weights), {}, {}});
    for (const DType type : kCandidates) {
      if (fits(group.weights, type)) group.types.push_back(type);
    }
    std::stable_sort(group.types.begin(), group.types.end(), [&](DType a, DType b) {
      return bytes_of(group.weights, a) < bytes_of(group.weights, b);
    });
    for (const DType type : group.types) group.bytes.push_back(bytes_of(group.weights, type));
  }

  const Plan& plan_;
  const Target& target_;
  const std::vector<Role>& fixed_;
  std::unordered_map<std::string, const TensorJob*> jobs_;
  std::vector<Group> groups_;
};

}  // namespace

std::vector<Group> make_groups(const Plan& plan, const std::vector<TensorJob>& jobs,
                               const Target& target, const std::vector<Role>& fixed) {
  return GroupMaker(plan, jobs, target, fixed).make();
}

}  // namespace halfbyte
