// Packing of the formats with blocks of 32 inputs: q4_0, q4_1, q5_0, q5_1, q8_0, iq4_nl.
//
// File block: f16 d, [f16 m], [u32 fifth bits], then 16 bytes of nibbles (low: inputs 0-15, high:
// 16-31) or 32 bytes. Nibbles are already paired as the packed steps are, so their words only move.
#include "kernels/packed_blocks.h"

namespace halfbyte {
namespace {

using packing::load_word;
using packing::store_word;

template <unsigned Bits, bool HasMin>
struct Layout {
  static constexpr std::size_t kHalves = HasMin ? 2 : 1;  // f16 values of a block
  static constexpr std::size_t kFifth = 2 * kHalves;      // offset of the fifth bits
  static constexpr std::size_t kCodes = kFifth + (Bits == 5 ? 4 : 0);
  static constexpr std::size_t kWords = Bits == 8 ? 8 : 4;
  static constexpr std::size_t kFileBytes = kCodes + 4 * kWords;
  static constexpr std::size_t kPackedCodes = 32 * kHalves;
  static constexpr std::size_t kPackedFifth = kPackedCodes + 64 * kWords;
  static constexpr std::size_t kPackedBytes = kPackedFifth + (Bits == 5 ? 64 : 0);
  static constexpr std::uint32_t kFlip = Bits == 8 ? 0x80808080u : 0;  // signed -> code + 128
};

// Bit 4s+i of the file's word <-> bit s of byte i.
std::uint32_t spread_bits(std::uint32_t bits) {
  std::uint32_t word = 0;
  for (unsigned s = 0; s < 8; ++s) {
    word |= ((((bits >> (4 * s)) & 15u) * 0x00204081u) & 0x01010101u) << s;
  }
  return word;
}
std::uint32_t gather_bits(std::uint32_t word) {
  std::uint32_t bits = 0;
  for (unsigned s = 0; s < 8; ++s) {
    bits |= ((((word >> s) & 0x01010101u) * 0x10204080u) >> 28) << (4 * s);
  }
  return bits;
}

template <unsigned Bits, bool HasMin>
void pack(const std::byte* const src[16], std::byte* dst, std::size_t blocks) {
  using L = Layout<Bits, HasMin>;
  for (std::size_t b = 0; b < blocks; ++b, dst += L::kPackedBytes) {
    for (std::size_t o = 0; o < 16; ++o) {
      const std::byte* from = src[o] + b * L::kFileBytes;
      for (std::size_t h = 0; h < L::kHalves; ++h) {
        std::memcpy(dst + 32 * h + 2 * o, from + 2 * h, 2);
      }
      for (std::size_t c = 0; c < L::kWords; ++c) {
        store_word(dst + L::kPackedCodes + 64 * c + 4 * o,
                   load_word(from + L::kCodes + 4 * c) ^ L::kFlip);
      }
      if constexpr (Bits == 5) {
        store_word(dst + L::kPackedFifth + 4 * o, spread_bits(load_word(from + L::kFifth)));
      }
    }
  }
}

template <unsigned Bits, bool HasMin>
void unpack(const std::byte* src, std::byte* const dst[16], std::size_t blocks) {
  using L = Layout<Bits, HasMin>;
  for (std::size_t b = 0; b < blocks; ++b, src += L::kPackedBytes) {
    for (std::size_t o = 0; o < 16; ++o) {
      std::byte* to = dst[o] + b * L::kFileBytes;
      for (std::size_t h = 0; h < L::kHalves; ++h) {
        std::memcpy(to + 2 * h, src + 32 * h + 2 * o, 2);
      }
      for (std::size_t c = 0; c < L::kWords; ++c) {
        store_word(to + L::kCodes + 4 * c,
                   load_word(src + L::kPackedCodes + 64 * c + 4 * o) ^ L::kFlip);
      }
      if constexpr (Bits == 5) {
        store_word(to + L::kFifth, gather_bits(load_word(src + L::kPackedFifth + 4 * o)));
      }
    }
  }
}

}  // namespace

const BlockPacker kPackQ4_0 = {pack<4, false>, unpack<4, false>};  // and iq4_nl
const BlockPacker kPackQ4_1 = {pack<4, true>, unpack<4, true>};
const BlockPacker kPackQ5_0 = {pack<5, false>, unpack<5, false>};
const BlockPacker kPackQ5_1 = {pack<5, true>, unpack<5, true>};
const BlockPacker kPackQ8_0 = {pack<8, false>, unpack<8, false>};

}  // namespace halfbyte
