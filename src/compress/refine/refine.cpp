#include "compress/refine/refine.h"

#include <algorithm>
#include <map>
#include <memory>
#include <numeric>

#include <fmt/format.h>

#include "base/error.h"
#include "base/scratch_file.h"
#include "compress/refine/block_graph.h"
#include "compress/refine/soft_matrix.h"

namespace halfbyte {

namespace {

// AutoRound's "light" recipe with smaller steps: what gptq has balanced, steps of its size undo
// (SmolLM2, q4_0, first block: error 1.29 times the start's with a rate of 1, 0.68 with this one).
constexpr std::size_t kIterations = 50;
constexpr std::size_t kBatch = 1;     // samples a step
constexpr std::size_t kJudged = 16;   // samples at most, on which start and end are compared
constexpr float kRate = 0.4f;         // of shifts: steps begin at kRate / kIterations levels
constexpr float kScaleRate = 0.02f;   // of scales, as part of them, beside that of shifts
constexpr double kLeastSize = 1e-12;  // of a row's mean square

// nullptr for types whose codes are not learned; scales of whole rows are not.
const Grid* grid_of(DType dtype, ScaleRules rules) {
  const Grid* const grid = find_grid(dtype, rules);
  return grid != nullptr && grid->row_scale == nullptr ? grid : nullptr;
}

const Grid& need_grid(DType dtype, ScaleRules rules) {
  const Grid* const grid = grid_of(dtype, rules);
  if (grid == nullptr) {
    fail_unsupported("", fmt::format("refine cannot choose codes of {} yet", name(dtype)));
  }
  return *grid;
}

double sum_of_squares(std::span<const float> x) {
  double sum = 0.0;
  for (const float v : x) sum += double{v} * double{v};
  return sum;
}

class Refiner {
 public:
  explicit Refiner(RefineTask& task)
      : task_(task),
        width_(task.plan.spec.width),
        graph_(task.plan, task.stack, task.block,
               *std::max_element(task.rows.begin(), task.rows.end()), task.ops, task.workers),
        targets_(task.folder + "/targets"),
        original_(task.plan.weights.size()) {
    for (const int weight : weights_of(task.plan, task.block)) {
      if (task.weights.has(weight))
        at(original_, weight).value = task.weights.values(weight).data();
    }
    learned_ = original_;
    for (RefineMatrix& matrix : task.matrices) add(matrix);
  }

  void run() {
    for (std::size_t i = 0; i < task_.rows.size(); ++i) store_target(i);
    const double before = judge();
    for (std::size_t i = 0; i < kIterations; ++i) {
      learn(i);
      const auto left = static_cast<float>(kIterations - i) / static_cast<float>(kIterations);
      const float rate = kRate * left / static_cast<float>(kIterations);
      for (auto& [weight, soft] : soft_) soft->step({rate, rate * kScaleRate});
    }
    if (!(judge() < before)) return;
    for (RefineMatrix& matrix : task_.matrices) soft_.at(matrix.weight)->encode(matrix.rows);
  }

 private:
  static GraphWeight& at(std::vector<GraphWeight>& weights, int weight) {
    return weights[static_cast<std::size_t>(weight)];
  }

  void add(const RefineMatrix& matrix) {
    const WeightRef& ref = task_.plan.weights[static_cast<std::size_t>(matrix.weight)];
    auto soft = std::make_unique<SoftMatrix>(need_grid(matrix.dtype, task_.rules), ref.n, ref.k,
                                             at(original_, matrix.weight).value, matrix.rows.data(),
                                             task_.workers.pool());
    at(learned_, matrix.weight) = {soft->values(), soft->gradient()};
    soft_.emplace(matrix.weight, std::move(soft));
  }

  void read(std::span<const std::size_t> samples) {
    batch_.clear();
    inputs_.clear();
    for (const std::size_t sample : samples) {
      const std::size_t begin = inputs_.size();
      batch_.push_back({begin / width_, task_.rows[sample]});
      inputs_.resize(begin + task_.rows[sample] * width_);
      task_.read(sample, &inputs_[begin]);
    }
  }

  std::uint64_t place(std::size_t sample) const {
    const auto end = task_.rows.begin() + static_cast<std::ptrdiff_t>(sample);
    return std::accumulate(task_.rows.begin(), end, std::uint64_t{0}) * width_ * sizeof(float);
  }

  void store_target(std::size_t sample) {
    read({&sample, 1});
    const std::vector<float>& out = graph_.forward(original_, batch_, inputs_, false);
    targets_.write_at(place(sample), std::as_bytes(std::span(out)));
  }

  // The error of the outputs; differences_ = half its gradient. A row's error counts in relation to
  // the row's size, as the norms that read the stream see it: otherwise the few tokens whose stream
  // is a thousand times larger would be all that is learned.
  double loss(std::span<const std::size_t> samples, bool train) {
    read(samples);
    const std::vector<float>& out = graph_.forward(learned_, batch_, inputs_, train);
    differences_.resize(out.size());
    const std::span<float> all = differences_;
    for (std::size_t i = 0; i < samples.size(); ++i) {
      const std::span<float> target =
          all.subspan(batch_[i].begin * width_, batch_[i].rows * width_);
      targets_.read_at(place(samples[i]), std::as_writable_bytes(target));
    }
    const std::size_t rows = batch_.back().begin + batch_.back().rows;
    double sum = 0.0;
    for (std::size_t i = 0; i < rows; ++i) {
      sum += row_loss(&out[i * width_], all.subspan(i * width_, width_));
    }
    return sum / static_cast<double>(rows);
  }

  double row_loss(const float* out, std::span<float> row) const {
    const double size = sum_of_squares(row) + kLeastSize * static_cast<double>(width_);
    for (std::size_t i = 0; i < width_; ++i) row[i] = out[i] - row[i];
    const double error = sum_of_squares(row) / size;
    const auto weight = static_cast<float>(static_cast<double>(width_) / size);
    for (float& difference : row) difference *= weight;
    return error;
  }

  void learn(std::size_t iteration) {
    std::vector<std::size_t> samples;
    const std::size_t count = task_.rows.size();
    for (std::size_t i = 0; i < std::min(kBatch, count); ++i) {
      samples.push_back((iteration * kBatch + i) % count);
    }
    loss(samples, true);
    graph_.backward(learned_, differences_);
  }

  // The mean error over some samples, taken evenly from all of them.
  double judge() {
    const std::size_t count = std::min(kJudged, task_.rows.size());
    double sum = 0.0;
    for (std::size_t i = 0; i < count; ++i) {
      const std::size_t sample = i * task_.rows.size() / count;
      sum += loss({&sample, 1}, false);
    }
    return sum;
  }

  RefineTask& task_;
  std::size_t width_;
  BlockGraph graph_;
  ScratchFile targets_;  // f32 [rows, width] of each sample: the block's outputs as they were
  std::vector<GraphWeight> original_;  // by index in the plan
  std::vector<GraphWeight> learned_;
  std::map<int, std::unique_ptr<SoftMatrix>> soft_;
  std::vector<SampleRows> batch_;
  std::vector<float> inputs_;
  std::vector<float> differences_;
};

}  // namespace

std::string refine_obstacle(const Plan& plan, DType type, ScaleRules rules) {
  for (const StackPlan* stack : {&plan.encoder, &plan.decoder}) {
    const std::string_view obstacle = BlockGraph::obstacle(*stack);
    if (!obstacle.empty()) return fmt::format("train {}", obstacle);
  }
  const bool learned = !is_quantized(type) || grid_of(type, rules) != nullptr;
  return learned ? "" : fmt::format("choose codes of {}", name(type));
}

void refine_block(RefineTask& task) {
  Refiner(task).run();
}

}  // namespace halfbyte
