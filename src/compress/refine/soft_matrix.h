// A quantized matrix whose codes and scales are being learned: SignRound (Cheng et al. 2023, arXiv
// 2309.05516) on any grid, from any start.
//
// Of each weight a shift v of the place where it is rounded, of each group its scale and minimum.
// A value is scale * level(round(place + v)) - min with place = (w + min) / scale, and its gradient
// that of the same without the rounding. The scales go through Grid::project, so that what is
// learned can be stored: values are bit for bit what decoding the encoded rows gives.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <span>
#include <vector>

#include "base/thread_pool.h"
#include "tensor/grid.h"

namespace halfbyte {

// How far one step moves.
struct SoftRates {
  float shift = 0.0f;  // levels
  float scale = 0.0f;  // of the scale itself, and minimums by as much
};

class SoftMatrix {
 public:
  // weights [n, k], which are to be met; `encoded`: n rows of the grid's type, where to begin. Both
  // must outlive the matrix.
  SoftMatrix(const Grid& grid, std::size_t n, std::size_t k, const float* weights,
             const std::byte* encoded, ThreadPool& pool);

  // The values [n, k] as they are now, and where the loss's gradient by them goes.
  const float* values() const { return values_.data(); }
  float* gradient() { return gradient_.data(); }
  // Against the sign of the gradient.
  void step(SoftRates rates);
  void encode(std::span<std::byte> rows) const;

 private:
  struct Rounded;
  void start(std::size_t block, const std::byte* encoded);
  void round(std::size_t block, Rounded& rounded) const;
  void realize(std::size_t block);
  void step_block(std::size_t block, SoftRates rates);
  void for_blocks(const std::function<void(std::size_t block)>& work) const;

  const Grid& grid_;
  std::size_t blocks_;
  const float* weights_;
  ThreadPool& pool_;
  std::vector<float> shifts_;
  std::vector<float> scales_;  // by group, before they are projected
  std::vector<float> mins_;
  std::vector<float> values_;
  std::vector<float> gradient_;
};

}  // namespace halfbyte
