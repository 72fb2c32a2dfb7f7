#include "compress/gptq_pass.h"

#include <algorithm>

namespace halfbyte {
namespace {

// Columns that are corrected one by one; errors from further back come by a dense product.
constexpr std::size_t kStep = 32;
constexpr std::size_t kWindow = GptqHessian::kWindow;

class Pass {
 public:
  Pass(const GptqContext& context, std::span<const float> importance, bool refit, GptqRows& rows)
      : context_(context),
        grid_(context.grid),
        order_(context.hessian.order()),
        importance_(importance),
        refit_(refit),
        rows_(rows),
        k_(rows.size()),
        errors_(rows.rows() * k_),
        targets_(rows.rows() * kWindow),
        sums_(rows.rows()) {}

  std::vector<double> run() {
    for (std::size_t begin = 0; begin < k_; begin += kWindow) {
      quantize_window(begin, context_.hessian.window_size(begin));
    }
    for (std::size_t row = 0; row < rows_.rows(); ++row) {
      const float* from = errors_.data() + row * k_;
      for (std::size_t p = 0; p < k_; ++p) rows_.errors(row)[order_[p]] = from[p];
    }
    return sums_;
  }

 private:
  float* target(std::size_t row) { return targets_.data() + row * kWindow; }

  void quantize_window(std::size_t begin, std::size_t size) {
    for (std::size_t row = 0; row < rows_.rows(); ++row) {
      for (std::size_t i = 0; i < size; ++i) {
        target(row)[i] = rows_.weights(row)[order_[begin + i]];
      }
    }
    add_errors(0, begin, begin, size);
    for (std::size_t block = begin; block < begin + size; block += grid_.block) {
      add_errors(begin, block, begin, grid_.block);
      quantize_block(block, begin);
    }
  }

  // As many positions as a block of the grid has columns.
  void quantize_block(std::size_t begin, std::size_t window) {
    for (std::size_t row = 0; refit_ && row < rows_.rows(); ++row) {
      grid_.fit(target(row) + (begin - window), importance_.data() + begin,
                rows_.block(row, begin));
    }
    for (std::size_t step = begin; step < begin + grid_.block; step += kStep) {
      add_errors(begin, step, window, kStep);
      for (std::size_t row = 0; row < rows_.rows(); ++row) {
        quantize_step(row, step, target(row) + (step - window));
      }
    }
  }

  // Targets of positions [to, to + count) of the window += what errors of positions [from, to) ask
  // of them.
  void add_errors(std::size_t from, std::size_t to, std::size_t window, std::size_t count) {
    const DenseOperand errors = {errors_.data() + from, k_, 1};
    const DenseOperand factor = {context_.hessian.factor() + from * k_ + to, k_, 1};
    float* targets = targets_.data() + (to - window);
    context_.workers.multiply(context_.thread,
                              {errors, factor, targets, kWindow, rows_.rows(), count, to - from});
  }

  void quantize_step(std::size_t row, std::size_t begin, float* targets) {
    for (std::size_t i = 0; i < kStep; ++i) {
      const std::size_t p = begin + i;
      const std::size_t column = order_[p];
      const float error = quantize(row, column, targets[i]);
      errors_[row * k_ + p] = error;
      const float* factor = context_.hessian.factor() + p * k_ + begin;
      for (std::size_t j = i + 1; j < kStep; ++j) targets[j] += error * factor[j];
    }
  }

  // The error of the weight when its value is the nearest to `target`.
  float quantize(std::size_t row, std::size_t column, float target) {
    const std::uint8_t code = rows_.nearest(row, column, target);
    rows_.codes(row)[column] = code;
    const float value = rows_.value(row, column, code);
    const double miss = static_cast<double>(target) - value;
    sums_[row] += miss * miss * context_.hessian.pivots()[column];
    return rows_.weights(row)[column] - value;
  }

  const GptqContext& context_;
  const Grid& grid_;
  std::span<const std::uint32_t> order_;
  std::span<const float> importance_;
  bool refit_;
  GptqRows& rows_;
  std::size_t k_;
  std::vector<float> errors_;   // [rows, k], in the order of positions
  std::vector<float> targets_;  // [rows, window]: what the values should be
  std::vector<double> sums_;
};

}  // namespace

std::vector<double> gptq_pass(const GptqContext& context, std::span<const float> importance,
                              bool refit_blocks, GptqRows& rows) {
  return Pass(context, importance, refit_blocks, rows).run();
}

}  // namespace halfbyte
