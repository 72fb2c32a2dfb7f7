#include "compress/gptq_refine.h"

#include <algorithm>

#include "compress/gptq_refit.h"

namespace halfbyte {
namespace {

class Sweep {
 public:
  Sweep(const GptqContext& context, GptqRows& rows)
      : context_(context),
        grid_(context.grid),
        rows_(rows),
        square_(std::size_t{grid_.block} * grid_.block),
        gradient_(rows.rows() * grid_.block),
        gains_(rows.rows()) {}

  std::vector<double> run(bool scales, bool codes) {
    ScaleRefit refit(context_, rows_);
    for (std::size_t begin = 0; begin < rows_.size(); begin += grid_.block) {
      context_.hessian.copy_square(begin, grid_.block, context_.hessian.importance(),
                                   square_.data());
      context_.hessian.multiply(context_.workers, context_.thread, rows_.errors(0), rows_.rows(),
                                begin, grid_.block, square_.data(), gradient_.data());
      if (scales) refit.run(begin, square_.data(), gradient_.data(), gains_);
      for (std::size_t row = 0; codes && row < rows_.rows(); ++row) move_codes(row, begin);
    }
    return gains_;
  }

 private:
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
