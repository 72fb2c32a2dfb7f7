// Q4_K and Q5_K: 256 elements in 8 runs of 32, each with a 6-bit scale and a 6-bit minimum.
//
//   q4_k  d:2 dmin:2 scales:12 qs:128          x = d * scale * q - dmin * minimum
//   q5_k  d:2 dmin:2 scales:12 qh:32 qs:128    the same
// Byte l of 32 bytes of qs holds element l of two runs, the first in the low nibble. Bit r of qh[l]
// is the fifth bit of element l of run r.
#include "tensor/blocks/block.h"
#include "tensor/blocks/codecs.h"

namespace halfbyte::blocks {

namespace {

struct ScaleMin {
  int scale;
  int minimum;
};

// Runs 0-3: six bits of bytes r and r + 4. Runs 4-7: the nibbles of byte r + 4, below the upper two
// bits of the bytes of run r - 4.
ScaleMin scale_min(const std::uint8_t* scales, std::size_t run) {
  if (run < 4) return {scales[run] & 63, scales[run + 4] & 63};
  return {(scales[run + 4] & 15) | ((scales[run - 4] >> 6) << 4),
          (scales[run + 4] >> 4) | ((scales[run] >> 6) << 4)};
}

void decode_block_q4_k(const std::uint8_t* block, float* x) {
  const float d = load_half(block);
  const float dmin = load_half(block + 2);
  for (std::size_t run = 0; run < 8; ++run) {
    const ScaleMin packed = scale_min(block + 4, run);
    const float scale = d * static_cast<float>(packed.scale);
    const float minimum = dmin * static_cast<float>(packed.minimum);
    const std::uint8_t* q = block + 16 + run / 2 * 32;
    const int shift = static_cast<int>(run % 2 * 4);
    for (std::size_t l = 0; l < 32; ++l) {
      x[run * 32 + l] = scale * static_cast<float>((q[l] >> shift) & 15) - minimum;
    }
  }
}

void decode_block_q5_k(const std::uint8_t* block, float* x) {
  const float d = load_half(block);
  const float dmin = load_half(block + 2);
  const std::uint8_t* qh = block + 16;
  for (std::size_t run = 0; run < 8; ++run) {
    const ScaleMin packed = scale_min(block + 4, run);
    const float scale = d * static_cast<float>(packed.scale);
    const float minimum = dmin * static_cast<float>(packed.minimum);
    const std::uint8_t* q = block + 48 + run / 2 * 32;
    const int shift = static_cast<int>(run % 2 * 4);
    const int bit = static_cast<int>(run);
    for (std::size_t l = 0; l < 32; ++l) {
      const int level = ((q[l] >> shift) & 15) | (((qh[l] >> bit) & 1) << 4);
      x[run * 32 + l] = scale * static_cast<float>(level) - minimum;
    }
  }
}

}  // namespace

void decode_q4_k(const std::byte* src, float* dst, std::size_t n) {
  decode_each<256, 144, decode_block_q4_k>(src, dst, n);
}
void decode_q5_k(const std::byte* src, float* dst, std::size_t n) {
  decode_each<256, 176, decode_block_q5_k>(src, dst, n);
}

}  // namespace halfbyte::blocks
