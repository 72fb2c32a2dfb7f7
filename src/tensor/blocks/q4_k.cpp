// Q4_K and Q5_K: 256 elements in 8 runs of 32, each with a 6-bit scale and a 6-bit minimum.
//
//   q4_k  d:2 dmin:2 scales:12 qs:128          x = d * scale * q - dmin * minimum
//   q5_k  d:2 dmin:2 scales:12 qh:32 qs:128    the same
// Byte l of 32 bytes of qs holds element l of two runs, the first in the low nibble. Bit r of qh[l]
// is the fifth bit of element l of run r.
#include "tensor/blocks/block.h"
#include "tensor/blocks/codecs.h"
#include "tensor/blocks/encode.h"
#include "tensor/blocks/packers.h"

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

// d, dmin and the 12 bytes of scale_min. A scale beyond 63 (which ggml makes of negative ones)
// loses into the high bits what ggml loses there.
void pack_scales(const GridBlock& block, std::uint8_t* at) {
  store(at, block.d);
  store(at + 2, block.dmin);
  std::uint8_t* scales = at + 4;
  for (std::size_t run = 0; run < 4; ++run) {
    const int high_scale = block.sub_scale[run + 4];
    const int high_min = block.sub_min[run + 4];
    scales[run] = static_cast<std::uint8_t>(block.sub_scale[run] | (high_scale >> 4 << 6));
    scales[run + 4] = static_cast<std::uint8_t>(block.sub_min[run] | (high_min >> 4 << 6));
    scales[run + 8] = static_cast<std::uint8_t>((high_scale & 15) | (high_min & 15) << 4);
  }
}

void pack_run_pairs(const std::uint8_t* codes, std::uint8_t* qs) {
  for (std::size_t pair = 0; pair < 4; ++pair, codes += 64, qs += 32) {
    for (std::size_t l = 0; l < 32; ++l) {
      qs[l] = static_cast<std::uint8_t>((codes[l] & 15) | (codes[l + 32] & 15) << 4);
    }
  }
}

void pack_fifth_bits(const std::uint8_t* codes, std::uint8_t* qh) {
  for (std::size_t l = 0; l < 32; ++l) {
    int bits = 0;
    for (std::size_t run = 0; run < 8; ++run) bits |= (codes[run * 32 + l] >> 4) << run;
    qh[l] = static_cast<std::uint8_t>(bits);
  }
}

constexpr AffineEncoder kQ4_KEncoder = {
    kShapeQ4_K,
    [](const LaneGroup& group, Lanes* codes) {
      return search_affine(group, 15.0f, {-1.0f, 0.1f, 20}, AffineRule::squares, codes);
    },
    [](const LaneGroup& group, Lanes* codes) {
      return search_affine_weighted(group, 15.0f, codes);
    },
    2.0f};

void encode_block_q4_k(const float* x, const float* importance, Draft& draft) {
  encode_affine(kQ4_KEncoder, x, importance, draft);
}

constexpr AffineEncoder kQ5_KEncoder = {
    kShapeQ5_K,
    [](const LaneGroup& group, Lanes* codes) {
      return search_affine(group, 31.0f, {-0.5f, 0.1f, 15}, AffineRule::squares, codes);
    },
    [](const LaneGroup& group, Lanes* codes) {
      return search_affine_weighted(group, 31.0f, codes);
    },
    2.0f};

void encode_block_q5_k(const float* x, const float* importance, Draft& draft) {
  encode_affine(kQ5_KEncoder, x, importance, draft);
}

}  // namespace

void pack_q4_k(const GridBlock& block, const std::uint8_t* codes, std::byte* dst) {
  auto* at = reinterpret_cast<std::uint8_t*>(dst);
  pack_scales(block, at);
  pack_run_pairs(codes, at + 16);
}
void pack_q5_k(const GridBlock& block, const std::uint8_t* codes, std::byte* dst) {
  auto* at = reinterpret_cast<std::uint8_t*>(dst);
  pack_scales(block, at);
  pack_fifth_bits(codes, at + 16);
  pack_run_pairs(codes, at + 48);
}

void decode_q4_k(const std::byte* src, float* dst, std::size_t n) {
  decode_each<256, 144, decode_block_q4_k>(src, dst, n);
}
void decode_q5_k(const std::byte* src, float* dst, std::size_t n) {
  decode_each<256, 176, decode_block_q5_k>(src, dst, n);
}
void encode_q4_k(const float* src, std::byte* dst, std::size_t n) {
  encode_superblocks<144, encode_block_q4_k, pack_q4_k>(src, nullptr, dst, n);
}
void encode_weighted_q4_k(const float* src, const float* importance, std::byte* dst,
                          std::size_t n) {
  encode_superblocks<144, encode_block_q4_k, pack_q4_k>(src, importance, dst, n);
}
void encode_q5_k(const float* src, std::byte* dst, std::size_t n) {
  encode_superblocks<176, encode_block_q5_k, pack_q5_k>(src, nullptr, dst, n);
}
void encode_weighted_q5_k(const float* src, const float* importance, std::byte* dst,
                          std::size_t n) {
  encode_superblocks<176, encode_block_q5_k, pack_q5_k>(src, importance, dst, n);
}

}  // namespace halfbyte::blocks
