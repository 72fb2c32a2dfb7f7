#include "compress/allocate/probe.h"

#include <algorithm>
#include <cmath>
#include <numeric>
#include <optional>

#include "compress/calibrate/matrix_values.h"
#include "kernels/registry.h"

namespace halfbyte {

namespace {

constexpr std::uint64_t kRows = 128;                 // whose logits are computed at a time
constexpr std::uint64_t kMaxReference = 64'000'000;  // probabilities that are kept
constexpr std::size_t kRowsAtOnce = 8;

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

std::vector<Segment> segments_of(std::span<const Sample> samples, const RopeTable& ropes) {
  std::vector<Segment> segments;
  std::uint64_t row = 0;
  for (const Sample& sample : samples) {
    Segment& segment = segments.emplace_back();
    segment.first_row = row;
    segment.rows = sample.size();
    segment.ropes = &ropes;
    row += sample.size();
  }
  return segments;
}

// The rows of a segment whose predictions count: all but the first quarter, which has seen little,
// or as many as may be kept.
std::uint64_t scored_rows(const Segment& segment, std::uint64_t vocab, std::size_t segments) {
  const std::uint64_t room = std::max<std::uint64_t>(kMaxReference / vocab / segments, 1);
  return std::min(segment.rows - segment.rows / 4, room);
}

std::vector<std::size_t> parts_of(const Plan& plan, const std::vector<Block>& blocks) {
  std::vector<std::size_t> parts(plan.weights.size(), 0);
  for (const Block& block : blocks) {
    for (const int weight : weights_of(plan, block)) {
      parts[static_cast<std::size_t>(weight)] = block.index + 1;
    }
  }
  return parts;
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
      parts_(parts_of(plan_, blocks_)),
      ops_(select_rows(features).ops),
      tokens_(all_tokens(samples)),
      ropes_(plan_.decoder.spec),
      longest_(longest(samples)),
      workspace_(plan_, tokens_.size(), longest_, pool.size()),
      inputs_(plan_, plan_.decoder.steps, 0, plan_.decoder.steps.size(), nullptr),
      streams_(blocks_.size() + 1) {
  ropes_.extend(longest_, longest_);
  segments_ = segments_of(samples, ropes_);
  for (std::size_t part = 0; part <= blocks_.size(); ++part) {
    original_.push_back(load(part, {}));
  }
  watching_ = true;
  run({}, 0, true);
  watching_ = false;
}

std::size_t Probe::part_of(int weight) const {
  return parts_[static_cast<std::size_t>(weight)];
}

std::vector<float> Probe::values_of(int weight) const {
  const std::string& name = plan_.weights[static_cast<std::size_t>(weight)].name;
  const ModelTensor& tensor = source_.need(name);
  std::vector<float> values = matrix_values(tensor, source_.checkpoint().path(), pool_);
  release_pages(source_, tensor);
  return values;
}

// f32 [n, k] as bfloat16, which `rows` keeps.
ModelTensor Probe::bfloat16(const WeightRef& ref, const std::vector<float>& values,
                            std::vector<std::byte>& rows) const {
  const DTypeInfo& type = info(DType::bf16);
  const std::uint64_t bytes = ref.k * type.block_bytes;
  rows.resize(ref.n * bytes);
  pool_.parallel_for(ref.n, kRowsAtOnce, [&](std::size_t begin, std::size_t end) {
    encode_whole_rows(type, &values[begin * ref.k], &rows[begin * bytes], end - begin, ref.k);
  });
  return {ref.name, DType::bf16, {ref.n, ref.k}, "rows", false, rows};
}

// The original's tensor; a matrix in f32 as bfloat16.
ModelTensor Probe::rounded(int weight, std::vector<std::byte>& rows) const {
  const WeightRef& ref = plan_.weights[static_cast<std::size_t>(weight)];
  const ModelTensor& own = source_.need(ref.name);
  const bool multiplied = ref.kind == WeightKind::matrix || weight == plan_.head;
  if (!multiplied || own.dtype != DType::f32) return own;
  return bfloat16(ref, values_of(weight), rows);
}

// The changed tensor; one with less than its whole error as bfloat16.
ModelTensor Probe::blended(const ChangedTensor& changed, std::vector<std::byte>& rows) const {
  const WeightRef& ref = plan_.weights[static_cast<std::size_t>(changed.weight)];
  const Shape shape = {ref.n, ref.k};
  if (changed.share >= 1.0) return {ref.name, changed.dtype, shape, "rows", false, changed.rows};
  std::vector<float> values = values_of(changed.weight);
  const TensorView view{ref.name, changed.dtype, shape, changed.rows};
  const auto keep = static_cast<float>(std::sqrt(changed.share));
  pool_.parallel_for(ref.n, kRowsAtOnce, [&](std::size_t begin, std::size_t end) {
    std::vector<float> row(ref.k);
    for (std::size_t i = begin; i < end; ++i) {
      decode_rows(view, i, i + 1, row.data());
      float* const own = &values[i * ref.k];
      for (std::uint64_t j = 0; j < ref.k; ++j) own[j] += keep * (row[j] - own[j]);
    }
  });
  return bfloat16(ref, values, rows);
}

// Tables are read where they lie, so their rows stay.
struct Probe::Loaded {
  std::vector<std::vector<std::byte>> rows;  // by weight
  std::optional<Weights> weights;

  void drop_packed_rows() {
    for (std::size_t i = 0; i < rows.size(); ++i) {
      if ((*weights)[static_cast<int>(i)].matrix.data != nullptr) rows[i] = {};
    }
  }
};

Probe::Part Probe::load(std::size_t part, const Changes& changes) {
  const auto wanted = [&](int weight) { return part_of(weight) == part; };
  const auto loaded = std::make_shared<Loaded>();
  std::vector<std::vector<std::byte>>& rows = loaded->rows;
  rows.resize(plan_.weights.size());
  for (int weight = 0; weight < static_cast<int>(plan_.weights.size()); ++weight) {
    const std::string& name = plan_.weights[static_cast<std::size_t>(weight)].name;
    if (!wanted(weight) || source_.find(name) == nullptr) continue;
    files_.replace(rounded(weight, rows[static_cast<std::size_t>(weight)]));
  }
  for (const auto& changed : changes) {
    if (!wanted(changed->weight)) continue;
    files_.replace(blended(*changed, rows[static_cast<std::size_t>(changed->weight)]));
  }
  loaded->weights.emplace(files_, plan_,
                          WeightsOptions{features_, rounded_compute(features_), {}, wanted}, pool_);
  loaded->drop_packed_rows();
  for (std::size_t i = 0; i < plan_.weights.size(); ++i) {
    const ModelTensor* const own = source_.find(plan_.weights[i].name);
    if (parts_[i] == part && own != nullptr) release_pages(source_, *own);
  }
  return {loaded, &*loaded->weights};
}

Probe::Part Probe::part(std::size_t index, const Changes& changes) {
  const bool changed = std::any_of(changes.begin(), changes.end(), [&](const auto& tensor) {
    return part_of(tensor->weight) == index;
  });
  return changed ? load(index, changes) : original_[index];
}

Pass Probe::pass_of(const Weights& weights, const StackPlan& stack) {
  const ModelView model{plan_, weights, ops_, pool_, {rounded_compute(features_), features_}};
  Pass pass{.model = model, .workspace = workspace_, .stack = stack};
  pass.rows = tokens_.size();
  pass.tokens = tokens_.data();
  pass.segments = segments_;
  pass.tap = watching_ ? &inputs_ : nullptr;
  return pass;
}

double Probe::divergence(const Changes& changes) {
  std::size_t first = blocks_.size();
  bool embedded = false;
  for (const auto& changed : changes) {
    const std::size_t part = part_of(changed->weight);
    if (part > 0) first = std::min(first, part - 1);
    const WeightRef& ref = plan_.weights[static_cast<std::size_t>(changed->weight)];
    embedded = embedded || ref.kind == WeightKind::table;
  }
  return run(changes, embedded ? 0 : first, embedded);
}

// From the tokens if `embedded`, else from the original's stream before `first_block`.
double Probe::run(const Changes& changes, std::size_t first_block, bool embedded) {
  float* const residual = workspace_.buffer(Buffer::residual);
  const std::size_t values = tokens_.size() * plan_.spec.width;
  const auto keep = [&](std::size_t block) {
    if (watching_) streams_[block].assign(residual, residual + values);
  };
  const Part ends = part(0, changes);
  if (embedded) {
    run_embed(pass_of(*ends, plan_.decoder));
  } else {
    std::copy(streams_[first_block].begin(), streams_[first_block].end(), residual);
  }
  keep(first_block);
  for (std::size_t i = first_block; i < blocks_.size(); ++i) {
    const Part block = part(i + 1, changes);
    run_steps(pass_of(*block, plan_.decoder), blocks_[i].begin, blocks_[i].end);
    keep(i + 1);
  }
  // Steps that belong to no block.
  run_steps(pass_of(*ends, plan_.decoder), blocks_.back().end, plan_.decoder.steps.size());
  if (watching_) see_head(*ends);
  return score(*ends);
}

void Probe::see_head(const Weights& ends) {
  const std::uint64_t width = plan_.spec.width;
  const bool normed = plan_.head_norm.weight != kNoWeight;
  const StackPlan tail = head_norm_of(plan_);
  if (normed) run_steps(pass_of(ends, tail), 0, 1);
  const float* const x = workspace_.buffer(normed ? Buffer::branch : Buffer::residual);
  head_inputs_.k = width;
  head_inputs_.rows = tokens_.size();
  head_inputs_.square.resize(width);
  for (std::uint64_t i = 0; i < tokens_.size() * width; ++i) {
    head_inputs_.square[i % width] += double{x[i]} * double{x[i]};
  }
}

void Probe::logits(const Weights& ends, std::uint64_t begin, std::uint64_t rows, float* logits) {
  Pass pass = pass_of(ends, plan_.decoder);
  pass.rows = begin + rows;
  run_head(pass, {begin, logits});
}

// The probabilities, and the log of what the exponentials of the logits add up to: the largest
// one's share says it.
double Probe::log_norm(const float* logits, float* probabilities) const {
  const std::size_t vocab = plan_.spec.vocab;
  const auto best = static_cast<std::size_t>(std::max_element(logits, logits + vocab) - logits);
  std::copy_n(logits, vocab, probabilities);
  ops_.softmax(probabilities, vocab);
  return double{logits[best]} - std::log(double{probabilities[best]});
}

// What the original expects of the log probabilities of these logits.
double Probe::expected(std::size_t row, const float* logits, double norm) const {
  const std::size_t vocab = plan_.spec.vocab;
  const float* const p = &reference_[row * vocab];
  double sum = 0.0;
  for (std::size_t i = 0; i < vocab; ++i) sum += double{p[i]} * (double{logits[i]} - norm);
  return sum;
}

void Probe::keep_reference(std::size_t row, const float* logits) {
  const double norm = log_norm(logits, &reference_[row * plan_.spec.vocab]);
  expected_[row] = expected(row, logits, norm);
}

double Probe::compare(std::size_t row, const float* logits) const {
  std::vector<float> own(plan_.spec.vocab);
  const double norm = log_norm(logits, own.data());
  return std::max(expected_[row] - expected(row, logits, norm), 0.0);
}

// The first run of all gives the reference.
double Probe::score(const Weights& ends) {
  const std::size_t vocab = plan_.spec.vocab;
  std::vector<float> own(std::min<std::uint64_t>(kRows, longest_) * vocab);
  std::vector<double> divergences;
  for (const Segment& segment : segments_) {
    const std::uint64_t end = segment.first_row + segment.rows;
    std::uint64_t begin = end - scored_rows(segment, vocab, segments_.size());
    for (; begin < end; begin += kRows) {
      const std::uint64_t rows = std::min(kRows, end - begin);
      logits(ends, begin, rows, own.data());
      const std::size_t old = divergences.size();
      divergences.resize(old + rows);
      if (watching_) {
        reference_.resize((old + rows) * vocab);
        expected_.resize(old + rows);
      }
      pool_.parallel_for(rows, 1, [&](std::size_t first, std::size_t last) {
        for (std::size_t i = first; i < last; ++i) {
          const float* const row = &own[i * vocab];
          if (watching_) keep_reference(old + i, row);
          divergences[old + i] = compare(old + i, row);
        }
      });
    }
  }
  return std::accumulate(divergences.begin(), divergences.end(), 0.0) /
         static_cast<double>(divergences.size());
}

}  // namespace halfbyte
