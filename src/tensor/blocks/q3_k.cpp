// Q3_K: 256 elements in 16 groups of 16, each with a 6-bit scale.
//
//   hmask:32 qs:64 scales:12 d:2    x = d * (scale - 32) * (q - 4)
// qs holds the low two bits as in q2_k; bit r of hmask[l] is the third bit of element l of run r
// (of 32). Byte i % 8 of scales holds the low four bits of scale i (the second eight in the high
// nibbles), byte 8 + i % 4 its high two bits at bit i / 4 * 2.
#include "tensor/blocks/block.h"
#include "tensor/blocks/codecs.h"

namespace halfbyte::blocks {

namespace {

int group_scale(const std::uint8_t* scales, std::size_t group) {
  const int low = (scales[group % 8] >> (group / 8 * 4)) & 15;
  const int high = (scales[8 + group % 4] >> (group / 4 * 2)) & 3;
  return (low | (high << 4)) - 32;
}

void decode_block(const std::uint8_t* block, float* x) {
  const std::uint8_t* hmask = block;
  const std::uint8_t* qs = block + 32;
  const std::uint8_t* scales = block + 96;
  const float d = load_half(block + 108);
  for (std::size_t group = 0; group < 16; ++group) {
    const std::size_t run = group / 2;
    const std::uint8_t* q = qs + run / 4 * 32 + group % 2 * 16;
    const std::uint8_t* h = hmask + group % 2 * 16;
    const int shift = static_cast<int>(run % 4 * 2);
    const int bit = static_cast<int>(run);
    const float scale = d * static_cast<float>(group_scale(scales, group));
    for (std::size_t l = 0; l < 16; ++l) {
      const int level = ((q[l] >> shift) & 3) + ((h[l] >> bit) & 1) * 4 - 4;
      x[group * 16 + l] = scale * static_cast<float>(level);
    }
  }
}

}  // namespace

void decode_q3_k(const std::byte* src, float* dst, std::size_t n) {
  decode_each<256, 110, decode_block>(src, dst, n);
}

}  // namespace halfbyte::blocks
