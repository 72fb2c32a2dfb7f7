// The size of the linear kernels' scratch.
#include "kernels/linear.h"

#include <algorithm>

namespace halfbyte {

std::size_t linear_scratch_bytes(std::uint64_t k) {
  // Bytes an input takes in a row of a tile (its code; for 16 inputs a start value, a factor of the
  // min and a scale) and in a decoded panel (16 codes; for 16 inputs 16 scales and 16 mins).
  constexpr std::size_t kRow = 2, kDecoded = 24;
  const std::size_t decode = kDecodeRows * k * kRow;
  const std::size_t integers = kSlabCodes * (kTileRows * kRow + kSlabPanels * kDecoded);
  const std::size_t floats = (kTileRows + kSlabPanels * kPanel) * kSlabInputs * sizeof(float);
  // Two panels of w8a8 made of w4a8's take no more than `decode`, shorter ones no more than this.
  const std::size_t tokens = kTokenSlabBytes;
  const std::size_t words = kBf16SlabPanels * kBf16SlabInputs * kPanel * sizeof(std::uint16_t);
  return std::max({decode, integers, floats, tokens, words}) + 4096;  // parts start on cache lines
}

}  // namespace halfbyte
