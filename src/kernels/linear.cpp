// The size of the linear kernels' scratch.
#include "kernels/linear.h"

#include <algorithm>

namespace halfbyte {

std::size_t linear_scratch_bytes(std::uint64_t k) {
  // A decoded panel has 16 codes an input; for 16 inputs 16 scales and 16 mins.
  constexpr std::size_t kDecoded = 24;
  const std::size_t decode = block_scratch_bytes(k / 32 + 1);
  const std::size_t integers =
      block_scratch_bytes(kSlabCodes / 32) + kSlabCodes * kSlabPanels * kDecoded;
  const std::size_t floats = (kTileRows + kSlabPanels * kPanel) * kSlabInputs * sizeof(float);
  // Two panels of w8a8 made of w4a8's, or as many as fit.
  const std::size_t tokens = std::max<std::size_t>(kTokenSlabBytes, 2 * kPanel * k);
  const std::size_t words = kBf16SlabPanels * kBf16SlabInputs * kPanel * sizeof(std::uint16_t);
  return std::max({decode, integers, floats, tokens, words}) + 4096;  // parts start on cache lines
}

}  // namespace halfbyte
