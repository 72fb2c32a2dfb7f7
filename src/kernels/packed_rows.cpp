// Packing of the types with one scale a row: w8a8, int8.
//
// File row: f32 scale, then a signed byte an input. Panel: f32 [16], then steps of unsigned codes.
#include "kernels/packed_rows.h"

#include <algorithm>

#include "kernels/packed_blocks.h"

namespace halfbyte {
namespace {

using packing::load_word;
using packing::store_word;

constexpr std::size_t kScale = sizeof(float);
constexpr std::size_t kWords = 8;             // of 4 codes, a block
constexpr std::uint32_t kFlip = 0x80808080u;  // signed -> code + 128

void pack(const std::byte* const src[16], std::byte* dst, std::size_t blocks) {
  std::byte* const steps = dst + 16 * kScale;
  for (std::size_t o = 0; o < 16; ++o) {
    std::memcpy(dst + o * kScale, src[o], kScale);
    for (std::size_t c = 0; c < kWords * blocks; ++c) {
      store_word(steps + 64 * c + 4 * o, load_word(src[o] + kScale + 4 * c) ^ kFlip);
    }
  }
}

void unpack(const std::byte* src, std::byte* const dst[16], std::size_t blocks) {
  const std::byte* const steps = src + 16 * kScale;
  for (std::size_t o = 0; o < 16; ++o) {
    std::memcpy(dst[o], src + o * kScale, kScale);
    for (std::size_t c = 0; c < kWords * blocks; ++c) {
      store_word(dst[o] + kScale + 4 * c, load_word(steps + 64 * c + 4 * o) ^ kFlip);
    }
  }
}

}  // namespace

const BlockPacker kPackRowInt8 = {pack, unpack};

void pack_token_block(const TokenRows& x, std::size_t block, std::byte* panel) {
  static_assert(kTokenRows == kPanel);
  const std::size_t first = block * kTokenRows;
  const std::size_t rows = std::min(kTokenRows, x.rows - first);
  const std::size_t steps = (x.k + kTokenInputs - 1) / kTokenInputs;
  const auto* const codes =
      reinterpret_cast<const std::byte*>(x.codes + first * steps * kTokenInputs);
  for (std::size_t o = 0; o < kPanel; ++o) {
    const float scale = o < rows ? x.scales[first + o] : 0.0f;
    std::memcpy(panel + o * kScale, &scale, kScale);
  }
  std::byte* words = panel + kPanel * kScale;
  for (std::size_t input = 0; input < x.k; input += 4, words += 4 * kPanel) {
    const std::byte* const from =
        codes + input / kTokenInputs * rows * kTokenInputs + input % kTokenInputs;
    for (std::size_t o = 0; o < kPanel; ++o) {
      const std::uint32_t word = o < rows ? load_word(from + o * kTokenInputs) : 0;
      store_word(words + 4 * o, word ^ kFlip);
    }
  }
}

}  // namespace halfbyte
