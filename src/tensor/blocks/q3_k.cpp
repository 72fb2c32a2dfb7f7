// Q3_K: 256 elements in 16 groups of 16, each with a 6-bit scale.
//
//   hmask:32 qs:64 scales:12 d:2    x = d * (scale - 32) * (q - 4)
// qs holds the low two bits as in q2_k; bit r of hmask[l] is the third bit of element l of run r
// (of 32). Byte i % 8 of scales holds the low four bits of scale i (the second eight in the high
// nibbles), byte 8 + i % 4 its high two bits at bit i / 4 * 2.
#include "tensor/blocks/block.h"
#include "tensor/blocks/codecs.h"
#include "tensor/blocks/packers.h"

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

void pack_scales(const GridBlock& block, std::uint8_t* scales) {
  const auto& s = block.sub_scale;
  for (std::size_t i = 0; i < 8; ++i) {
    scales[i] = static_cast<std::uint8_t>((s[i] & 15) | (s[i + 8] & 15) << 4);
  }
  for (std::size_t i = 0; i < 4; ++i) {
    scales[8 + i] = static_cast<std::uint8_t>(s[i] >> 4 | s[i + 4] >> 4 << 2 | s[i + 8] >> 4 << 4 |
                                              s[i + 12] >> 4 << 6);
  }
}

void pack_third_bits(const std::uint8_t* codes, std::uint8_t* hmask) {
  for (std::size_t l = 0; l < 32; ++l) {
    int bits = 0;
    for (std::size_t run = 0; run < 8; ++run) bits |= (codes[run * 32 + l] >> 2) << run;
    hmask[l] = static_cast<std::uint8_t>(bits);
  }
}

}  // namespace

void pack_q3_k(const GridBlock& block, const std::uint8_t* codes, std::byte* dst) {
  auto* at = reinterpret_cast<std::uint8_t*>(dst);
  pack_third_bits(codes, at);
  pack_two_bits(codes, at + 32);
  pack_scales(block, at + 96);
  store(at + 108, block.d);
}

void decode_q3_k(const std::byte* src, float* dst, std::size_t n) {
  decode_each<256, 110, decode_block>(src, dst, n);
}

}  // namespace halfbyte::blocks
