#include "compress/gptq_refit.h"

#include <algorithm>
#include <cmath>

namespace halfbyte {
namespace {

// Of the diagonal: keeps codes that are all alike, and so tell nothing, from moving scales far.
constexpr double kRidge = 1e-6;

}  // namespace

bool NormalEquations::solve(std::size_t n) {
  for (std::size_t i = 0; i < n; ++i) {
    double* row = matrix[i];
    const double diagonal = row[i];
    row[i] += kRidge * diagonal;
    for (std::size_t j = 0; j <= i; ++j) {
      for (std::size_t p = 0; p < j; ++p) row[j] -= row[p] * matrix[j][p];
      if (j < i) row[j] /= matrix[j][j];
    }
    if (!(row[i] > 0.1 * kRidge * diagonal)) return false;
    row[i] = std::sqrt(row[i]);
    for (std::size_t p = 0; p < i; ++p) right[i] -= row[p] * right[p];
    right[i] /= row[i];
  }
  for (std::size_t i = n; i-- > 0;) {
    right[i] /= matrix[i][i];
    for (std::size_t p = 0; p < i; ++p) right[p] -= matrix[i][p] * right[i];
  }
  return true;
}

ScaleRefit::ScaleRefit(const GptqContext& context, GptqRows& rows)
    : context_(context),
      grid_(context.grid),
      rows_(rows),
      groups_(grid_.groups()),
      // Levels from zero up reach below it by a minimum only.
      unknowns_(grid_.levels[0] == 0.0f ? 2 * groups_ : groups_),
      levels_(rows.rows() * grid_.block),
      products_(groups_ * levels_.size()),
      steps_(levels_.size()),
      changes_(levels_.size()),
      ones_(groups_ * groups_),
      tried_(rows.rows()) {}

void ScaleRefit::run(std::size_t begin, const float* square, float* gradient,
                     std::span<double> gains) {
  take_levels(begin);
  multiply_groups(square);
  for (std::size_t row = 0; row < rows_.rows(); ++row) {
    tried_[row] = rows_.block(row, begin);
    solve(row, gradient + row * grid_.block, tried_[row]);
  }
  try_blocks(begin, square, gradient, gains);
}

void ScaleRefit::take_levels(std::size_t begin) {
  for (std::size_t row = 0; row < rows_.rows(); ++row) {
    for (std::size_t i = 0; i < grid_.block; ++i) {
      levels_[row * grid_.block + i] = grid_.levels[rows_.codes(row)[begin + i]];
    }
  }
}

void ScaleRefit::multiply_groups(const float* square) {
  const std::size_t block = grid_.block;
  std::fill(products_.begin(), products_.end(), 0.0f);
  std::fill(ones_.begin(), ones_.end(), 0.0);
  for (std::size_t g = 0; g < groups_; ++g) {
    const float* columns = square + g * grid_.group * block;
    float* to = products_.data() + g * levels_.size();
    context_.workers.multiply(context_.thread, {{levels_.data() + g * grid_.group, block, 1},
                                                {columns, block, 1},
                                                to,
                                                block,
                                                rows_.rows(),
                                                block,
                                                grid_.group});
    for (std::size_t i = 0; i < grid_.group * block; ++i) {
      ones_[g * groups_ + i % block / grid_.group] += static_cast<double>(columns[i]);
    }
  }
}

// Of x * y over a group; y nullptr stands for ones.
double ScaleRefit::sum(const float* x, const float* y, std::size_t group) const {
  double total = 0.0;
  for (std::size_t i = group * grid_.group; i < (group + 1) * grid_.group; ++i) {
    total += static_cast<double>(x[i]) * static_cast<double>(y == nullptr ? 1.0f : y[i]);
  }
  return total;
}

// A value's change is level * change of scale - change of minimum.
void ScaleRefit::fill_equations(std::size_t row, const float* gradient,
                                NormalEquations& equations) const {
  const float* levels = levels_.data() + row * grid_.block;
  for (std::size_t g = 0; g < groups_; ++g) {
    const float* product = products_.data() + g * levels_.size() + row * grid_.block;
    equations.right[g] = sum(gradient, levels, g);
    for (std::size_t j = 0; j <= g; ++j) equations.matrix[g][j] = sum(product, levels, j);
    if (unknowns_ == groups_) continue;
    equations.right[groups_ + g] = -sum(gradient, nullptr, g);
    for (std::size_t j = 0; j < groups_; ++j) {
      equations.matrix[groups_ + g][groups_ + j] = ones_[g * groups_ + j];
      equations.matrix[groups_ + j][g] = -sum(product, nullptr, j);
    }
  }
}

void ScaleRefit::solve(std::size_t row, const float* gradient, GridBlock& block) const {
  NormalEquations equations = {};
  fill_equations(row, gradient, equations);
  std::array<float, kMostGroups> weights;
  for (std::size_t g = 0; g < groups_; ++g) {
    weights[g] = static_cast<float>(equations.matrix[g][g]);
  }
  if (!equations.solve(unknowns_)) return;
  std::array<float, kMostGroups> scale = block.scale;
  std::array<float, kMostGroups> min = block.min;
  for (std::size_t g = 0; g < groups_; ++g) {
    scale[g] += static_cast<float>(equations.right[g]);
    if (unknowns_ != groups_) min[g] += static_cast<float>(equations.right[groups_ + g]);
  }
  grid_.project(scale.data(), min.data(), weights.data(), block);
}

void ScaleRefit::try_blocks(std::size_t begin, const float* square, float* gradient,
                            std::span<double> gains) {
  const std::size_t size = grid_.block;
  for (std::size_t row = 0; row < rows_.rows(); ++row) {
    for (std::size_t i = 0; i < size; ++i) {
      const std::uint8_t code = rows_.codes(row)[begin + i];
      steps_[row * size + i] =
          grid_value(grid_, tried_[row], rows_.group(i), code) - rows_.value(row, begin + i, code);
    }
  }
  std::fill(changes_.begin(), changes_.end(), 0.0f);
  context_.workers.multiply(context_.thread, {{steps_.data(), size, 1},
                                              {square, size, 1},
                                              changes_.data(),
                                              size,
                                              rows_.rows(),
                                              size,
                                              size});
  for (std::size_t row = 0; row < rows_.rows(); ++row) {
    const float* step = steps_.data() + row * size;
    const float* change = changes_.data() + row * size;
    float* slope = gradient + row * size;
    double gain = 0.0;
    for (std::size_t i = 0; i < size; ++i) gain += step[i] * (2.0 * slope[i] - change[i]);
    if (!(gain > 0.0)) continue;
    gains[row] += gain;
    rows_.block(row, begin) = tried_[row];
    for (std::size_t i = 0; i < size; ++i) {
      slope[i] -= change[i];
      rows_.errors(row)[begin + i] -= step[i];
    }
  }
}

}  // namespace halfbyte
