// From a model's plan to the list of tensors to write.
#include <algorithm>
#include <charconv>
#include <map>
#include <tuple>
#include <unordered_map>
#include <unordered_set>

#include <fmt/format.h>

#include "base/error.h"
#include "compress/group_jobs.h"
#include "compress/job.h"
#include "compress/target.h"
#include "kernels/packed.h"
#include "model/names.h"
#include "model/plan.h"
#include "model/rope.h"
#include "runtime/check_weight.h"

namespace halfbyte {

namespace {

constexpr std::string_view kEmbedding = "token_embd.weight";
constexpr std::string_view kHead = "output.weight";

Role role_of(const WeightRef& ref) {
  if (ref.kind == WeightKind::vector) return Role::vector;
  if (ref.name == kEmbedding) return Role::embedding;
  if (ref.name == kHead) return Role::head;
  if (ref.exact) return Role::table;
  return ref.kind == WeightKind::table ? Role::table : Role::matrix;
}

const StackSpec& stack_of(const ModelSpec& spec, std::string_view name) {
  if (name.starts_with("enc.")) return *spec.encoder;
  return spec.decoder ? *spec.decoder : *spec.encoder;
}

// The name without its block prefix and suffix: "attn_q" of "enc.blk.3.attn_q.weight".
std::string_view part_of(std::string_view name) {
  const std::size_t block = name.find("blk.");
  if (block == std::string_view::npos) return {};
  name.remove_prefix(std::min(name.size(), name.find('.', block + 4) + 1));
  return name.substr(0, name.find('.'));
}

// The tensors whose rows follow the rotary embedding's order.
constexpr std::string_view kRotated[] = {"attn_q", "attn_k", "attn_q_norm", "attn_k_norm"};

RowOrder order_of(const WeightRef& ref, const ModelSpec& from, const ModelSpec& to) {
  const StackSpec& source = stack_of(from, ref.name);
  const bool target = stack_of(to, ref.name).rope_interleaved;
  const bool rotated =
      std::find(std::begin(kRotated), std::end(kRotated), part_of(ref.name)) != std::end(kRotated);
  if (!rotated || source.rope_interleaved == target || source.ropes.empty()) return {};
  return {source.head_dim, source.ropes.front().dim, target};
}

float offset_change(const WeightRef& ref, const ModelSpec& from, const ModelSpec& to) {
  if (!ref.name.ends_with("norm.weight")) return 0.0f;
  return stack_of(from, ref.name).norm_offset - stack_of(to, ref.name).norm_offset;
}

// The bundle's file of a tensor.
std::string file_of(std::string_view name, bool two_stacks) {
  const std::size_t block = name.find("blk.");
  if (block == std::string_view::npos) {
    return name.find("output") != std::string_view::npos ? "head" : "embedding";
  }
  unsigned layer = 0;
  std::from_chars(name.data() + block + 4, name.data() + name.size(), layer);
  const std::string_view stack = name.starts_with("enc.") ? "enc_" : "dec_";
  return fmt::format("{}block_{:03}", two_stacks ? stack : "", layer);
}

class JobMaker {
 public:
  JobMaker(const ModelFiles& source, const Target& target, const ModelSpec& spec,
           const TypePolicy& policy)
      : source_(source), target_(target), spec_(spec), policy_(policy) {}

  TensorJob make(const WeightRef& ref, const ModelTensor& tensor) {
    check_weight(source_, tensor, ref);
    TensorJob job;
    job.own = ref.name;
    job.name = ref.name;
    job.role = role_of(ref);
    job.shape = tensor.shape;
    job.source = &tensor;
    job.order = order_of(ref, source_.spec(), spec_);
    job.add = offset_change(ref, source_.spec(), spec_);
    job.file = file_of(ref.name, spec_.encoder && spec_.decoder);
    if (target_.stacks) job.stack = stack_of_expert(ref.name);
    if (target_.published) publish(job);
    job.transpose = job.role != Role::vector && published_transposed_ != tensor.transposed;
    job.dtype = type_of(job);
    const bool is_head = job.role == Role::embedding && spec_.tied_head;
    job.packed = target_.packs && (job.role == Role::matrix || job.role == Role::head || is_head);
    return job;
  }

  // One note for all tensors that are alike.
  void note_misfits(std::vector<std::string>& notes) const {
    for (const auto& [misfit, names] : misfits_) {
      const auto& [type, columns, fitted] = misfit;
      const std::string more =
          names.size() > 1 ? fmt::format(" and {} more", names.size() - 1) : "";
      notes.push_back(
          fmt::format("{}{}: rows of {} are no multiple of {}'s block of {}; kept as {}",
                      names.front(), more, columns, name(type), info(type).block, name(fitted)));
    }
  }

 private:
  // Name and orientation as published checkpoints have them.
  void publish(TensorJob& job) {
    const auto mapped = published_name(source_.family(), job.own, spec_.main_stack().gated);
    if (!mapped) {
      fail_unsupported(source_.checkpoint().path(),
                       fmt::format("tensor '{}' has no published name in {} models", job.own,
                                   source_.family().name));
    }
    job.name = mapped->name;
    published_transposed_ =
        mapped->transposed && job.role != Role::vector && !in_groups(target_, job);
    if (published_transposed_) std::swap(job.shape[0], job.shape[1]);
  }

  // Matrices of blocks that a layout cannot hold are refused all together (check_group_jobs).
  bool holds(Role role, DType type) const {
    if (target_.group_layout.empty()) return target_.holds(type);
    return role == Role::matrix || !is_quantized(type);
  }

  DType type_of(const TensorJob& job) {
    const DType source = job.source->dtype;
    if (info(source).decode == nullptr) {
      fail_unsupported(source_.checkpoint().path(),
                       fmt::format("tensor '{}' of type {}", job.own, name(source)));
    }
    const std::optional<DType> asked = policy_.of(job.role, job.own);
    const bool storable = (is_float(source) && source != DType::f64) || is_quantized(source);
    const DType type = asked ? *asked : storable ? source : DType::f32;
    if (!holds(job.role, type)) {
      refuse_type(type, fmt::format("{} cannot hold {} (tensor '{}'): ask for f16, bf16 or f32",
                                    target_.name, name(type), job.own));
    }
    return fitted_type(job, type);
  }

  DType fitted_type(const TensorJob& job, DType type) {
    if (job.role == Role::vector) return is_float(type) ? type : DType::f32;
    const std::uint64_t columns = job.shape.back();
    const DType fitted = fitting_type(type, columns);
    // By row the length of the groups says nothing.
    const bool as_asked = policy_.rules.by_row && find_group_type(fitted) != nullptr;
    if (fitted != type && !as_asked) misfits_[{type, columns, fitted}].push_back(job.own);
    return fitted;
  }

  // A type that tensors cannot have, their columns, and the type they get.
  using Misfit = std::tuple<DType, std::uint64_t, DType>;

  const ModelFiles& source_;
  const Target& target_;
  const ModelSpec& spec_;
  const TypePolicy& policy_;
  std::map<Misfit, std::vector<std::string>> misfits_;
  bool published_transposed_ = false;
};

// GGUF keeps a frequency table beside the metadata: llama3's scaling, or what the source had.
std::optional<TensorJob> rope_table(const ModelSpec& spec) {
  const StackSpec& stack = spec.main_stack();
  if (stack.ropes.empty()) return std::nullopt;
  const RopeSpec& rope = stack.ropes.front();
  TensorJob job;
  job.values = rope.scaling == RopeScaling::llama3 ? llama3_divisors(rope) : rope.divisors;
  if (job.values.empty()) return std::nullopt;
  job.name = job.own = "rope_freqs.weight";
  job.role = Role::vector;
  job.shape = {job.values.size()};
  job.file = "head";
  return job;
}

// Jobs with equal keys come together, where the first of them was.
template <typename KeyOf>
void bring_together(std::vector<TensorJob>& jobs, const KeyOf& key_of) {
  std::unordered_map<std::string, std::size_t> ranks;
  for (const TensorJob& job : jobs) ranks.emplace(key_of(job), ranks.size());
  std::stable_sort(jobs.begin(), jobs.end(), [&](const TensorJob& a, const TensorJob& b) {
    return ranks.at(key_of(a)) < ranks.at(key_of(b));
  });
}

// Files in the order of their first tensor, the head last; in them the parts of a tensor.
void sort_jobs(std::vector<TensorJob>& jobs) {
  bring_together(jobs, [](const TensorJob& job) { return job.file; });
  std::stable_partition(jobs.begin(), jobs.end(),
                        [](const TensorJob& job) { return job.file != "head"; });
  bring_together(jobs,
                 [](const TensorJob& job) { return job.stack.empty() ? job.own : job.stack; });
}

// The parts of a tensor have one type.
void check_stacks(const std::string& path, const std::vector<TensorJob>& jobs) {
  for (std::size_t i = 1; i < jobs.size(); ++i) {
    const TensorJob& one = jobs[i - 1];
    const TensorJob& next = jobs[i];
    if (one.stack.empty() || one.stack != next.stack || one.dtype == next.dtype) continue;
    fail_unsupported(path, fmt::format("'{}' and '{}' are of one tensor, but {} and {}: choose one "
                                       "type for them",
                                       one.own, next.own, name(one.dtype), name(next.dtype)));
  }
}

void note_unused(const ModelFiles& source, const Plan& plan, std::vector<std::string>& notes) {
  std::unordered_set<std::string_view> used;
  for (const WeightRef& ref : plan.weights) used.insert(ref.name);
  for (const ModelTensor& tensor : source.tensors()) {
    if (!used.contains(tensor.name))
      notes.push_back(fmt::format("{}: no part of the model; left out", tensor.name));
  }
}

}  // namespace

std::uint64_t RowOrder::source_of(std::uint64_t row) const {
  if (!moves()) return row;
  const std::uint64_t start = row / head_dim * head_dim;
  const std::uint64_t i = row - start;
  if (i >= rotated) return row;
  const std::uint64_t half = rotated / 2;
  return start + (to_interleaved ? i / 2 + i % 2 * half : i % half * 2 + i / half);
}

std::uint64_t TensorJob::bytes() const {
  return packed ? packed_bytes(dtype, shape[0], shape[1]) : tensor_bytes(dtype, shape).value();
}

std::vector<TensorJob> make_jobs(const ModelFiles& source, const Target& target,
                                 const ModelSpec& spec, const TypePolicy& policy,
                                 std::vector<std::string>& notes) {
  const Plan plan = make_plan(source.spec());
  JobMaker maker(source, target, spec, policy);
  std::vector<TensorJob> jobs;
  for (const WeightRef& ref : plan.weights) {
    const ModelTensor* tensor = ref.optional ? source.find(ref.name) : &source.need(ref.name);
    if (tensor != nullptr) jobs.push_back(maker.make(ref, *tensor));
  }
  maker.note_misfits(notes);
  if (target.rope_table) {
    if (auto table = rope_table(spec)) jobs.push_back(std::move(*table));
  }
  set_rules(target, policy.rules, jobs);
  check_group_jobs(target, jobs);
  sort_jobs(jobs);
  check_stacks(source.checkpoint().path(), jobs);
  note_unused(source, plan, notes);
  return jobs;
}

}  // namespace halfbyte
