// Packing of the types with one scale a row: w8a8, int8.
//
// File row: f32 scale, then a signed byte an input. Panel: f32 [16], then steps of unsigned codes.
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

}  // namespace halfbyte
