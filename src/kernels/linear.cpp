// The size of the linear kernels' scratch.
#include "kernels/linear.h"

#include <algorithm>

namespace halfbyte {

std::size_t linear_scratch_bytes(std::uint64_t k) {
  const std::size_t groups = (k + 15) / 16;
  // A row of a tile: codes, and for 16 inputs a start value and a factor of the min; a scale.
  const std::size_t row = groups * (16 + 4 + 4 + 4);
  // A decoded panel: codes, scales and mins.
  const std::size_t panel = groups * (16 * 16 + 16 * 4 + 16 * 4);
  const std::size_t slab = std::max(panel, std::min(kSlabPanels * panel, kSlabBytes));
  const std::size_t integers = kTileRows * row + slab;
  const std::size_t floats = (kTileRows + kSlabPanels * kPanel) * kSlabInputs * sizeof(float);
  return std::max(integers, floats) + 4096;  // parts start on cache lines
}

}  // namespace halfbyte
