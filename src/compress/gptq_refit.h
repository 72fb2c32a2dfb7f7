// Least squares for the scales of one block in all rows, with the codes as they are.
#pragma once

#include <array>

#include "compress/gptq_rows.h"

namespace halfbyte {

constexpr std::size_t kMostGroups = 16;

// Of one block in one row: by scales, then by minimums.
struct NormalEquations {
  double matrix[2 * kMostGroups][2 * kMostGroups];  // the lower triangle is used
  double right[2 * kMostGroups];

  // Cholesky; right becomes the solution. False where the matrix is singular.
  bool solve(std::size_t n);
};

class ScaleRefit {
 public:
  ScaleRefit(const GptqContext& context, GptqRows& rows);

  // The block that begins at column `begin`. square [block, block] is H there; gradient
  // [rows, block] = errors H, which is kept up to date; gains [rows] grow by what errors fall.
  void run(std::size_t begin, const float* square, float* gradient, std::span<double> gains);

 private:
  void take_levels(std::size_t begin);
  void multiply_groups(const float* square);
  // block = the storable scales nearest to a row's best ones; as it was where there are none.
  void solve(std::size_t row, const float* gradient, GridBlock& block) const;
  void fill_equations(std::size_t row, const float* gradient, NormalEquations& equations) const;
  void try_blocks(std::size_t begin, const float* square, float* gradient, std::span<double> gains);
  double sum(const float* x, const float* y, std::size_t group) const;

  const GptqContext& context_;
  const Grid& grid_;
  GptqRows& rows_;
  std::size_t groups_;
  std::size_t unknowns_;         // scales, then minimums where the grid has them
  std::vector<float> levels_;    // [rows, block]: of the codes
  std::vector<float> products_;  // [groups, rows, block]: levels of one group times the square
  std::vector<float> steps_;     // [rows, block]: new values - old ones
  std::vector<float> changes_;   // [rows, block]: steps times the square
  std::vector<double> ones_;     // [groups, groups]: sums over the square
  std::vector<GridBlock> tried_;
};

}  // namespace halfbyte
