// The size of the linear kernels' scratch.
#include "kernels/linear.h"

#include <algorithm>

namespace halfbyte {

std::size_t linear_scratch_bytes(std::uint64_t k) {
  // Bytes an input takes in a row of a block (16 inputs have a start value and a factor of the min,
  // 32 an outlier: 8 values and a place) and in a decoded panel (16 codes; for 16 inputs 16 scales
  // and 16 mins).
  constexpr std::size_t kRow = 2, kDecoded = 24;
  const std::size_t decode = kQuantizedRows * k * kRow;
  const std::size_t integers = kSlabCodes * (kQuantizedRows * kRow + kSlabPanels * kDecoded);
  const std::size_t floats = (kTileRows + kSlabPanels * kPanel) * kSlabInputs * sizeof(float);
  // Two panels of w8a8 made of w4a8's, or as many as fit.
  const std::size_t tokens = std::max<std::size_t>(kTokenSlabBytes, 2 * kPanel * k);
  const std::size_t words = kBf16SlabPanels * kBf16SlabInputs * kPanel * sizeof(std::uint16_t);
  return std::max({decode, integers, floats, tokens, words}) + 4096;  // parts start on cache lines
}

}  // namespace halfbyte
