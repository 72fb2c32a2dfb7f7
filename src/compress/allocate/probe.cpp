#include "compress/allocate/probe.h"

#include <algorithm>
#include <numeric>
#include <set>

#include "runtime/divergence.h"

namespace halfbyte {

namespace {

constexpr std::uint64_t kRows = 64;                  // whose logits are computed at a time
constexpr std::uint64_t kMaxReference = 64'000'000;  // logits that are kept

std::vector<TokenId> all_tokens(std::span<const Sample> samples) {
  std::vector<TokenId> tokens;
  for (const Sample& sample : samples) tokens.insert(tokens.end(), sample.begin(), sample.end());
  return tokens;
}

std::uint64_t longest(std::span<const Sample> samples) {
  std::uint64_t rows = 1;
  for (const Sample& sample : samples) rows = std::max<std::uint64_t>(rows, sample.size());
  return rows;
}

// The rows of a segment whose predictions count: its second half, or as many as may be kept.
std::uint64_t scored_rows(const Segment& segment, std::uint64_t vocab, std::size_t segments) {
  const std::uint64_t room = std::max<std::uint64_t>(kMaxReference / vocab / segments, 1);
  return std::min((segment.rows + 1) / 2, room);
}

}  // namespace

Probe::Probe(const ModelFiles& source, std::span<const Sample> samples, ThreadPool& pool,
             CpuFeatures features)
    : source_(source),
      files_(source.checkpoint().path()),
      pool_(pool),
      features_(features),
      plan_(make_plan(source.spec())),
      blocks_(blocks_of(plan_)),
      ops_(select_rows(features).ops),
      tokens_(all_tokens(samples)),
      ropes_(plan_.decoder.spec),
      workspace_(plan_, tokens_.size(), longest(samples), pool.size()),
      inputs_(plan_, plan_.decoder.steps, 0, plan_.decoder.steps.size(), nullptr) {
  ropes_.extend(longest(samples), longest(samples));
  std::uint64_t row = 0;
  for (const Sample& sample : samples) {
    Segment& segment = segments_.emplace_back();
    segment.first_row = row;
    segment.rows = sample.size();
    segment.ropes = &ropes_;
    row += sample.size();
  }
  original_.tensors.resize(plan_.weights.size());
  original_.parts.resize(blocks_.size() + 1);
  original_.streams.resize(blocks_.size() + 1);
  for (std::size_t part = 0; part <= blocks_.size(); ++part) load(original_, part);
  watching_ = true;
  embed(original_);
  run(original_, 0, true);
  watching_ = false;
}

std::size_t Probe::part_of(int weight) const {
  for (std::size_t i = 0; i < blocks_.size(); ++i) {
    const std::vector<int> weights = weights_of(plan_, blocks_[i]);
    if (std::find(weights.begin(), weights.end(), weight) != weights.end()) return i + 1;
  }
  return 0;
}

std::vector<int> Probe::weights_of_part(std::size_t part) const {
  if (part > 0) return weights_of(plan_, blocks_[part - 1]);
  std::vector<int> rest;
  for (int weight = 0; weight < static_cast<int>(plan_.weights.size()); ++weight) {
    if (part_of(weight) == 0) rest.push_back(weight);
  }
  return rest;
}

void Probe::load(Variant& variant, std::size_t part) {
  const std::vector<int> wanted = weights_of_part(part);
  for (const int weight : wanted) {
    const ChangedTensor* const changed = variant.tensors[static_cast<std::size_t>(weight)].get();
    const WeightRef& ref = plan_.weights[static_cast<std::size_t>(weight)];
    const ModelTensor* const own = source_.find(ref.name);
    if (own == nullptr) continue;
    files_.replace(changed == nullptr ? *own
                                      : ModelTensor{ref.name, changed->dtype, own->shape, "rows",
                                                    false, changed->rows});
  }
  const auto is_wanted = [&](int index) {
    return std::find(wanted.begin(), wanted.end(), index) != wanted.end();
  };
  variant.parts[part] = std::make_shared<const Weights>(
      files_, plan_, WeightsOptions{features_, std::nullopt, {}, is_wanted}, pool_);
}

Pass Probe::pass_of(const Variant& variant, std::size_t part, const StackPlan& stack) {
  const ModelView model{plan_, *variant.parts[part], ops_, pool_, {Compute::f32, features_}};
  Pass pass{.model = model, .workspace = workspace_, .stack = stack};
  pass.rows = tokens_.size();
  pass.tokens = tokens_.data();
  pass.segments = segments_;
  pass.tap = watching_ ? &inputs_ : nullptr;
  return pass;
}

void Probe::embed(const Variant& variant) {
  run_embed(pass_of(variant, 0, plan_.decoder));
}

// From the stream before `first_block`, which is in the residual buffer if `embedded`.
void Probe::run(Variant& variant, std::size_t first_block, bool embedded) {
  float* const residual = workspace_.buffer(Buffer::residual);
  const std::size_t values = tokens_.size() * plan_.spec.width;
  const auto keep = [&](std::size_t block) {
    variant.streams[block] =
        std::make_shared<const std::vector<float>>(residual, residual + values);
  };
  if (embedded) {
    keep(first_block);
  } else {
    std::copy(variant.streams[first_block]->begin(), variant.streams[first_block]->end(), residual);
  }
  for (std::size_t i = first_block; i < blocks_.size(); ++i) {
    run_steps(pass_of(variant, i + 1, plan_.decoder), blocks_[i].begin, blocks_[i].end);
    keep(i + 1);
  }
  finish(variant);
  if (watching_) see_head(variant);
  variant.divergence = score(variant);
}

// Steps that belong to no block.
void Probe::finish(const Variant& variant) {
  run_steps(pass_of(variant, 0, plan_.decoder), blocks_.back().end, plan_.decoder.steps.size());
}

void Probe::see_head(const Variant& variant) {
  const std::uint64_t width = plan_.spec.width;
  const bool normed = plan_.head_norm.weight != kNoWeight;
  const StackPlan tail = head_norm_of(plan_);
  if (normed) run_steps(pass_of(variant, 0, tail), 0, 1);
  const float* const x = workspace_.buffer(normed ? Buffer::branch : Buffer::residual);
  head_inputs_.k = width;
  head_inputs_.rows = tokens_.size();
  head_inputs_.square.resize(width);
  for (std::uint64_t i = 0; i < tokens_.size() * width; ++i) {
    head_inputs_.square[i % width] += double{x[i]} * double{x[i]};
  }
}

void Probe::logits(const Variant& variant, std::uint64_t begin, std::uint64_t rows, float* logits) {
  Pass pass = pass_of(variant, 0, plan_.decoder);
  pass.rows = begin + rows;
  run_head(pass, {begin, logits});
}

double Probe::compare(std::size_t row, const float* own) const {
  const std::size_t vocab = plan_.spec.vocab;
  const std::span<const float> values(own, vocab);
  return kl_divergence({&reference_[row * vocab], vocab}, norms_[row], values, log_sum_exp(values));
}

// The first run of all gives the reference.
double Probe::score(const Variant& variant) {
  const std::size_t vocab = plan_.spec.vocab;
  std::vector<float> own(kRows * vocab);
  std::vector<double> divergences;
  for (const Segment& segment : segments_) {
    const std::uint64_t end = segment.first_row + segment.rows;
    std::uint64_t begin = end - scored_rows(segment, vocab, segments_.size());
    for (; begin < end; begin += kRows) {
      const std::uint64_t rows = std::min(kRows, end - begin);
      logits(variant, begin, rows, own.data());
      const std::size_t old = divergences.size();
      divergences.resize(old + rows);
      if (watching_) {
        reference_.insert(reference_.end(), own.data(), own.data() + rows * vocab);
        norms_.resize(old + rows);
      }
      pool_.parallel_for(rows, 1, [&](std::size_t first, std::size_t last) {
        for (std::size_t i = first; i < last; ++i) {
          const float* const row = &own[i * vocab];
          if (watching_) norms_[old + i] = log_sum_exp({row, vocab});
          divergences[old + i] = compare(old + i, row);
        }
      });
    }
  }
  return std::accumulate(divergences.begin(), divergences.end(), 0.0) /
         static_cast<double>(divergences.size());
}

Variant Probe::change(const Variant& from, std::vector<ChangedTensor> tensors) {
  Variant variant = from;
  std::set<std::size_t> parts;
  std::size_t first = blocks_.size();
  bool embedded = false;
  for (ChangedTensor& tensor : tensors) {
    const int weight = tensor.weight;
    const std::size_t part = part_of(weight);
    parts.insert(part);
    if (part > 0) first = std::min(first, part - 1);
    embedded =
        embedded || plan_.weights[static_cast<std::size_t>(weight)].kind == WeightKind::table;
    variant.tensors[static_cast<std::size_t>(weight)] =
        std::make_shared<const ChangedTensor>(std::move(tensor));
  }
  for (const std::size_t part : parts) load(variant, part);
  if (embedded) embed(variant);
  run(variant, embedded ? 0 : first, embedded);
  return variant;
}

}  // namespace halfbyte
