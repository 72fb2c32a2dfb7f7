#include "compress/fold.h"

#include <algorithm>

namespace halfbyte {

namespace {

constexpr std::uint64_t kRowsAtOnce = 16;

const WeightRef& ref_of(const Plan& plan, int weight) {
  return plan.weights[static_cast<std::size_t>(weight)];
}

bool reads(const NormRef& norm, int weight) {
  return norm.weight == weight || norm.bias == weight;
}

bool reads(const Step& step, int weight) {
  return reads(step.norm, weight) ||
         std::any_of(step.pieces.begin(), step.pieces.end(), [&](const Piece& piece) {
           return piece.weight == weight || piece.bias == weight;
         });
}

// How often the whole model reads a weight.
std::ptrdiff_t readers(const Plan& plan, int weight) {
  std::ptrdiff_t count = reads(plan.head_norm, weight) ? 1 : 0;
  if (plan.head == weight || plan.head_bias == weight) ++count;
  for (const std::vector<Step>* steps : {&plan.embed, &plan.encoder.steps, &plan.decoder.steps}) {
    count += std::count_if(steps->begin(), steps->end(),
                           [&](const Step& step) { return reads(step, weight); });
  }
  return count;
}

auto writes(Buffer buffer) {
  return [buffer](const Step& step) { return step.op == Op::linear && step.out == buffer; };
}

class Finder {
 public:
  Finder(const Plan& plan, const StackPlan& stack, const Block& block)
      : plan_(plan),
        spec_(stack.spec),
        steps_(std::span(stack.steps).subspan(block.begin, block.end - block.begin)) {}

  std::vector<Fold> find() {
    for (std::size_t i = 0; i < steps_.size(); ++i) {
      const Step& step = steps_[i];
      if (step.op == Op::route) experts(i);
      if (step.op != Op::linear) continue;
      if (step.prologue == Prologue::norm) norm(step);
      if (step.in == Buffer::attended) value(i);
      if (step.prologue == Prologue::activation) up(i);
    }
    return std::move(folds_);
  }

 private:
  void norm(const Step& step) { add(fold_of(step.norm, step)); }

  Fold fold_of(const NormRef& norm, const Step& consumer) const {
    Fold fold{.kind = FoldKind::norm, .consumer = &consumer};
    fold.channels = ref_of(plan_, norm.weight).n;
    fold.producers.push_back({norm.weight, 0, spec_.norm_offset});
    if (norm.bias != kNoWeight) fold.producers.push_back({norm.bias});
    return fold;
  }

  // The norm that router and experts read is a step of its own, right before the router.
  void experts(std::size_t index) {
    const Step& router = steps_[index];
    Fold fold = fold_of(steps_[index - 1].norm, router);
    for (const Step& step : steps_) {
      if (step.op == Op::linear && step.in == router.in) fold.experts.push_back(&step);
    }
    add(std::move(fold));
  }

  // Attention before the step reads v: from the buffer of q, k and v, or from what cross_store
  // made.
  void value(std::size_t index) {
    const std::uint64_t q = std::uint64_t{spec_.heads} * spec_.head_dim;
    const std::uint64_t kv = std::uint64_t{spec_.kv_heads} * spec_.head_dim;
    const bool crosses = index > 0 && steps_[index - 1].op == Op::cross_attention;
    Fold fold{.kind = FoldKind::value, .channels = kv, .consumer = &steps_[index]};
    fold.head = spec_.head_dim;
    fold.group = spec_.heads / spec_.kv_heads;
    const bool found = crosses
                           ? make_rows(fold, index, {kv, 2 * kv},
                                       [](const Step& step) { return step.op == Op::cross_store; })
                           : make_rows(fold, index, {q + kv, q + 2 * kv}, writes(Buffer::qkv));
    if (found) add(std::move(fold));
  }

  void up(std::size_t index) {
    const std::uint64_t ffn = ref_of(plan_, steps_[index].pieces[0].weight).k;
    const std::uint64_t first = spec_.gated ? ffn : 0;
    if (!spec_.gated && spec_.activation != Activation::relu) return;
    Fold fold{.kind = FoldKind::up, .channels = ffn, .consumer = &steps_[index]};
    if (make_rows(fold, index, {first, first + ffn}, writes(Buffer::ffn))) {
      add(std::move(fold));
    }
  }

  // The rows that give columns [begin, end) in the last step before `index` that `makes` them.
  template <typename Makes>
  bool make_rows(Fold& fold, std::size_t index, Range columns, const Makes& makes) const {
    while (index > 0 && !makes(steps_[index - 1])) --index;
    if (index == 0) return false;
    for (const Piece& piece : steps_[index - 1].pieces) {
      const std::uint64_t end = piece.column + ref_of(plan_, piece.weight).n;
      if (piece.column > columns.begin || end < columns.end) continue;
      const std::uint64_t row = columns.begin - piece.column;
      fold.producers.push_back({piece.weight, row});
      if (piece.bias != kNoWeight) fold.producers.push_back({piece.bias, row});
      return true;
    }
    return false;
  }

  bool read_once(int weight) const { return readers(plan_, weight) == 1; }

  void add(Fold fold) {
    const auto& made = fold.producers;
    const bool own = std::all_of(made.begin(), made.end(), [&](const Producer& producer) {
      return read_once(producer.weight);
    });
    const std::vector<const Step*> consumers = fold.consumers();
    const bool free = std::all_of(consumers.begin(), consumers.end(), [&](const Step* step) {
      return std::all_of(step->pieces.begin(), step->pieces.end(),
                         [&](const Piece& piece) { return read_once(piece.weight); });
    });
    if (own && free) folds_.push_back(std::move(fold));
  }

  const Plan& plan_;
  const StackSpec& spec_;
  std::span<const Step> steps_;
  std::vector<Fold> folds_;
};

void divide(const Producer& producer, std::span<const float> scales, BlockTask& task) {
  if (!task.weights.has(producer.weight)) return;  // a bias that the checkpoint lacks
  std::vector<float>& values = task.weights.values(producer.weight);
  const std::uint64_t width = values.size() / ref_of(task.plan, producer.weight).n;
  for (std::uint64_t i = 0; i < scales.size(); ++i) {
    float* const row = &values[(producer.row + i) * width];
    for (std::uint64_t j = 0; j < width; ++j) {
      row[j] = (row[j] + producer.offset) / scales[i] - producer.offset;
    }
  }
}

void multiply_columns(std::vector<float>& values, const std::vector<float>& factors,
                      ThreadPool& pool) {
  const std::uint64_t k = factors.size();
  pool.parallel_for(values.size() / k, kRowsAtOnce, [&](std::size_t begin, std::size_t end) {
    for (std::size_t row = begin; row < end; ++row) {
      for (std::uint64_t j = 0; j < k; ++j) values[row * k + j] *= factors[j];
    }
  });
}

// Of inputs that are divided by `factors`.
void divide(InputStats& stats, const std::vector<float>& factors, ThreadPool& pool) {
  for (std::uint64_t j = 0; j < stats.k; ++j) {
    const double factor = factors[j];
    stats.square[j] /= factor * factor;
    stats.magnitude[j] /= factor;
    stats.peak[j] /= factors[j];
  }
  if (stats.gram.empty()) return;
  pool.parallel_for(stats.k, kRowsAtOnce, [&](std::size_t begin, std::size_t end) {
    for (std::size_t i = begin; i < end; ++i) {
      float* const row = &stats.gram[i * stats.k];
      for (std::uint64_t j = 0; j < stats.k; ++j) row[j] /= factors[i] * factors[j];
    }
  });
}

std::uint64_t columns_of(const Fold& fold) {
  return fold.channels * fold.group;
}

}  // namespace

std::vector<const Step*> Fold::consumers() const {
  std::vector<const Step*> all{consumer};
  all.insert(all.end(), experts.begin(), experts.end());
  return all;
}

std::vector<Fold> folds_of(const Plan& plan, const StackPlan& stack, const Block& block) {
  return Finder(plan, stack, block).find();
}

void apply_fold(const Fold& fold, std::span<const float> scales, BlockTask& task) {
  for (const Producer& producer : fold.producers) divide(producer, scales, task);
  std::vector<float> factors(columns_of(fold));
  for (std::uint64_t j = 0; j < factors.size(); ++j) factors[j] = scales[fold.channel_of(j)];
  for (const Step* step : fold.consumers()) {
    for (const Piece& piece : step->pieces) {
      multiply_columns(task.weights.values(piece.weight), factors, task.pool);
    }
    divide(task.inputs.of(*step), factors, task.pool);
  }
}

std::vector<float> channel_means(const Fold& fold, std::span<const float> of_columns) {
  std::vector<float> means(fold.channels);
  for (std::uint64_t j = 0; j < of_columns.size(); ++j) means[fold.channel_of(j)] += of_columns[j];
  for (float& mean : means) mean /= static_cast<float>(fold.group);
  return means;
}

std::vector<float> channel_peaks(const Fold& fold, std::span<const float> of_columns) {
  std::vector<float> peaks(fold.channels);
  for (std::uint64_t j = 0; j < of_columns.size(); ++j) {
    float& peak = peaks[fold.channel_of(j)];
    peak = std::max(peak, of_columns[j]);
  }
  return peaks;
}

std::vector<const Piece*> quantized_pieces(const Fold& fold, const BlockTask& task) {
  std::vector<const Piece*> pieces;
  for (const Step* step : fold.consumers()) {
    for (const Piece& piece : step->pieces) {
      const std::string& name = ref_of(task.plan, piece.weight).name;
      if (is_quantized(task.types.at(name))) pieces.push_back(&piece);
    }
  }
  return pieces;
}

}  // namespace halfbyte
