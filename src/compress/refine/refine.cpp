#include "compress/refine/refine.h"

#include <algorithm>
#include <cstdlib>
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

double env(const char* name, double other) {
  const char* v = std::getenv(name);
  return v ? std::atof(v) : other;
}

struct Preset {
  std::size_t iterations = 50;
  std::size_t batch = 2;         // samples a step
  std::size_t judged = 16;      // samples at most, on which iterates are compared
  float scale_rate = 0.1f;      // of the codes' rate
};

const Grid& need_grid(DType dtype) {
  const Grid* const grid = find_grid(dtype);
  if (grid == nullptr) fail_usage(fmt::format("refine cannot choose codes of {} yet", name(dtype)));
  return *grid;
}

class Refiner {
 public:
  explicit Refiner(RefineTask& task)
      : task_(task),
        width_(task.plan.spec.width),
        graph_(task.plan, task.stack, task.block, longest(task.rows), task.ops, task.workers),
        targets_(task.folder + "/targets") {
    preset_.iterations = (size_t)env("R_ITERS", 50);
    preset_.batch = (size_t)env("R_BATCH", 2);
    preset_.scale_rate = (float)env("R_SCALE", 0.1);
  }

  void run() {
    take_original();
    for (std::size_t i = 0; i < task_.rows.size(); ++i) store_target(i);
    learned_ = original_;
    for (RefineMatrix& matrix : task_.matrices) {
      const WeightRef& ref = task_.plan.weights[static_cast<std::size_t>(matrix.weight)];
      soft_.emplace(matrix.weight,
                    std::make_unique<SoftMatrix>(
                        need_grid(matrix.dtype), ref.n, ref.k,
                        task_.weights.values(matrix.weight).data(), matrix.rows.data(),
                        task_.workers.pool()));
      SoftMatrix& soft = *soft_.at(matrix.weight);
      at(learned_, matrix.weight) = {soft.values(), soft.gradient()};
    }
    const double before = judge();
    const std::size_t iterations = preset_.iterations;
    const float lr = (float)env("R_LR", 1.0);
    double first = 0, last = 0;
    for (std::size_t t = 0; t < iterations; ++t) {
      const float left = 1.0f - static_cast<float>(t) / static_cast<float>(iterations);
      const float rate = lr * left / static_cast<float>(iterations);
      const double l = train(t);
      if (t < 8) first += l;
      if (t + 8 >= iterations) last += l;
      for (auto& [weight, soft] : soft_) soft->step({rate, rate * preset_.scale_rate});
    }
    const double after = judge();
    if (std::getenv("R_LOG"))
      fmt::print(stderr, "block {} before {:.5g} after {:.5g} ratio {:.4f}  train {:.5g} {:.5g}\n",
                 task_.block.index, before, after, after / before, first / 8, last / 8);
    if (!(after < before)) return;
    for (RefineMatrix& matrix : task_.matrices) soft_.at(matrix.weight)->encode(matrix.rows);
  }

 private:
  static std::uint64_t longest(const std::vector<std::uint64_t>& rows) {
    return *std::max_element(rows.begin(), rows.end());
  }

  void take_original() {
    original_.assign(task_.plan.weights.size(), {});
    for (const int weight : weights_of(task_.plan, task_.block)) {
      if (task_.weights.has(weight)) at(original_, weight).value = task_.weights.values(weight).data();
    }
  }
  static GraphWeight& at(std::vector<GraphWeight>& weights, int weight) {
    return weights[static_cast<std::size_t>(weight)];
  }

  void read(std::span<const std::size_t> which) {
    rows_.clear();
    inputs_.clear();
    for (const std::size_t sample : which) {
      const std::size_t begin = inputs_.size();
      rows_.push_back({begin / width_, task_.rows[sample]});
      inputs_.resize(begin + task_.rows[sample] * width_);
      task_.read(sample, &inputs_[begin]);
    }
  }

  std::uint64_t place(std::size_t sample) const {
    const auto end = task_.rows.begin() + static_cast<std::ptrdiff_t>(sample);
    return std::accumulate(task_.rows.begin(), end, std::uint64_t{0}) * width_ * sizeof(float);
  }

  void store_target(std::size_t sample) {
    read(std::span(&sample, 1));
    const std::vector<float>& out =
        graph_.forward(original_, rows_, inputs_, false);
    targets_.write_at(place(sample), std::as_bytes(std::span(out)));
  }

  // The outputs' error, which takes the outputs' place in difference_.
  double loss(std::span<const std::size_t> which, bool train) {
    read(which);
    const std::vector<float>& out =
        graph_.forward(learned_, rows_, inputs_, train);
    difference_.resize(out.size());
    for (std::size_t i = 0; i < which.size(); ++i) {
      const std::size_t begin = rows_[i].begin * width_;
      targets_.read_at(place(which[i]), std::as_writable_bytes(std::span(difference_).subspan(
                                            begin, rows_[i].rows * width_)));
    }
    static const int mode = (int)env("R_WEIGH", 0);
    double sum = 0.0;
    for (std::size_t r = 0; r < out.size() / width_; ++r) {
      double size = 0, err = 0;
      for (std::size_t i = r * width_; i < (r + 1) * width_; ++i) {
        size += double{difference_[i]} * double{difference_[i]};
        difference_[i] = out[i] - difference_[i];
        err += double{difference_[i]} * double{difference_[i]};
      }
      double w = 1.0;
      if (mode == 1) w = (double)width_ / (size + 1e-6);
      if (mode == 2) w = std::min(1.0, 1.0);
      if (mode) for (std::size_t i = r * width_; i < (r + 1) * width_; ++i) difference_[i] *= (float)w;
      sum += w * err;
    }
    return sum / (double)out.size();
  }

  double train(std::size_t t) {
    std::vector<std::size_t> which;
    for (std::size_t i = 0; i < preset_.batch; ++i) {
      which.push_back((t * preset_.batch + i) % task_.rows.size());
    }
    const double value = loss(which, true);
    graph_.backward(learned_, std::move(difference_));
    return value;
  }

  double judge() {
    const std::size_t count = std::min(preset_.judged, task_.rows.size());
    double sum = 0.0;
    for (std::size_t i = 0; i < count; ++i) {
      const std::size_t sample = i * task_.rows.size() / count;
      sum += loss(std::span(&sample, 1), false);
    }
    return sum / (double)count;
  }

  RefineTask& task_;
  std::size_t width_;
  Preset preset_;
  BlockGraph graph_;
  ScratchFile targets_;
  std::map<int, std::unique_ptr<SoftMatrix>> soft_;
  std::vector<GraphWeight> original_;
  std::vector<GraphWeight> learned_;
  std::vector<SampleRows> rows_;
  std::vector<float> inputs_;
  std::vector<float> difference_;
};

}  // namespace

void refine_block(RefineTask& task) {
  Refiner(task).run();
}

}  // namespace halfbyte
