#include "compress/gptq_refine.h"

#include <algorithm>

#include "compress/gptq_refit.h"

namespace halfbyte {
namespace {

constexpr std::size_t kWindow = GptqHessian::kWindow;

class Sweep {
 public:
  Sweep(const GptqContext& context, GptqRows& rows)
      : context_(context),
        grid_(context.grid),
        rows_(rows),
        refit_(context, rows),
        outside_(rows.rows() * kWindow),
        square_(std::size_t{grid_.block} * grid_.block),
        gradient_(rows.rows() * grid_.block),
        gains_(rows.rows()) {}

  std::vector<double> run(bool scales, bool codes) {
    const GptqHessian& hessian = context_.hessian;
    for (std::size_t begin = 0; begin < rows_.size(); begin += kWindow) {
      const std::size_t size = hessian.window_size(begin);
      hessian.multiply_outside(context_.workers, context_.thread, rows_.errors(0), rows_.rows(),
                               begin, size, outside_.data());
      for (std::size_t at = 0; at < size; at += grid_.block) {
        take_block(begin, at, size);
        if (scales) refit_.run(begin + at, square_.data(), gradient_.data(), gains_);
        for (std::size_t row = 0; codes && row < rows_.rows(); ++row) move_codes(row, begin + at);
      }
    }
    return gains_;
  }

 private:
  // H and the gradient of the block at column `at` of the window that begins at `begin`.
  void take_block(std::size_t begin, std::size_t at, std::size_t size) {
    const std::size_t block = grid_.block;
    const float* square = context_.hessian.square(begin);
    for (std::size_t i = 0; i < block; ++i) {
      std::copy_n(square + (at + i) * size + at, block, square_.data() + i * block);
    }
    for (std::size_t row = 0; row < rows_.rows(); ++row) {
      std::copy_n(outside_.data() + row * size + at, block, gradient_.data() + row * block);
    }
    context_.workers.multiply(context_.thread, {{rows_.errors(0) + begin, rows_.size(), 1},
                                                {square + at, size, 1},
                                                gradient_.data(),
                                                block,
                                                rows_.rows(),
                                                block,
                                                size});
  }

  void move_codes(std::size_t row, std::size_t begin) {
    float* gradient = gradient_.data() + row * grid_.block;
    for (std::size_t i = 0; i < grid_.block; ++i) {
      const float curvature = square_[i * grid_.block + i];
      if (!(curvature > 0.0f)) continue;
      std::uint8_t& code = rows_.codes(row)[begin + i];
      const float value = rows_.value(row, begin + i, code);
      const std::uint8_t best = rows_.nearest(row, begin + i, value + gradient[i] / curvature);
      if (best == code) continue;
      const float step = rows_.value(row, begin + i, best) - value;
      const float gain = step * (2.0f * gradient[i] - step * curvature);
      if (!(gain > 0.0f)) continue;
      code = best;
      rows_.errors(row)[begin + i] -= step;
      const float* h = square_.data() + i * grid_.block;
      for (std::size_t j = 0; j < grid_.block; ++j) gradient[j] -= step * h[j];
      gains_[row] += gain;
    }
  }

  const GptqContext& context_;
  const Grid& grid_;
  GptqRows& rows_;
  ScaleRefit refit_;
  std::vector<float> outside_;   // [rows, window]: errors of all other columns times H
  std::vector<float> square_;    // H of the block's columns
  std::vector<float> gradient_;  // [rows, block]: errors times H
  std::vector<double> gains_;
};

}  // namespace

std::vector<double> gptq_refine(const GptqContext& context, bool scales, bool codes,
                                GptqRows& rows) {
  return Sweep(context, rows).run(scales, codes);
}

}  // namespace halfbyte
