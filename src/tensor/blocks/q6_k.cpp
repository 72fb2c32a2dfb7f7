// Q6_K: 256 elements in 16 groups of 16, each with a signed 8-bit scale.
//
//   ql:128 qh:64 scales:16 d:2    x = d * scale * (q - 32)
// A half (128 elements, four runs of 32) has 64 bytes of ql: runs 0 and 1 in the low nibbles of its
// first and second 32 bytes, runs 2 and 3 in the high ones; and 32 bytes of qh: two bits a run.
#include "tensor/blocks/block.h"
#include "tensor/blocks/codecs.h"

namespace halfbyte::blocks {

namespace {

void decode_block(const std::uint8_t* block, float* x) {
  const std::uint8_t* scales = block + 192;
  const float d = load_half(block + 208);
  for (std::size_t group = 0; group < 16; ++group) {
    const std::size_t half = group / 8;
    const std::size_t run = group / 2 % 4;
    const std::size_t start = group % 2 * 16;
    const std::uint8_t* ql = block + half * 64 + run % 2 * 32 + start;
    const std::uint8_t* qh = block + 128 + half * 32 + start;
    const int low_shift = static_cast<int>(run / 2 * 4);
    const int high_shift = static_cast<int>(run * 2);
    const float scale = d * static_cast<float>(static_cast<std::int8_t>(scales[group]));
    for (std::size_t l = 0; l < 16; ++l) {
      const int level = ((ql[l] >> low_shift) & 15) | (((qh[l] >> high_shift) & 3) << 4);
      x[group * 16 + l] = scale * static_cast<float>(level - 32);
    }
  }
}

}  // namespace

void decode_q6_k(const std::byte* src, float* dst, std::size_t n) {
  decode_each<256, 210, decode_block>(src, dst, n);
}

}  // namespace halfbyte::blocks
