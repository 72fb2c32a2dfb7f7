// Packing of the types with zero points: w2g32 ... w8g128.
//
// File block: f16 scale, u8 zero, then the codes as words of 4 inputs in the order of the packed
// planes (tensor/group_types.h), so that words only move.
#include "kernels/packed_blocks.h"

namespace halfbyte {
namespace {

using packing::load_word;
using packing::store_word;

constexpr std::size_t kZero = 2, kCodes = 3;                // in the file's block
constexpr std::size_t kPackedZero = 32, kPackedCodes = 48;  // in the packed one

template <std::size_t Words>
void pack(const std::byte* const src[16], std::byte* dst, std::size_t blocks) {
  for (std::size_t b = 0; b < blocks; ++b, dst += kPackedCodes + 64 * Words) {
    for (std::size_t o = 0; o < 16; ++o) {
      const std::byte* from = src[o] + b * (kCodes + 4 * Words);
      std::memcpy(dst + 2 * o, from, 2);
      dst[kPackedZero + o] = from[kZero];
      for (std::size_t c = 0; c < Words; ++c) {
        store_word(dst + kPackedCodes + 64 * c + 4 * o, load_word(from + kCodes + 4 * c));
      }
    }
  }
}

template <std::size_t Words>
void unpack(const std::byte* src, std::byte* const dst[16], std::size_t blocks) {
  for (std::size_t b = 0; b < blocks; ++b, src += kPackedCodes + 64 * Words) {
    for (std::size_t o = 0; o < 16; ++o) {
      std::byte* to = dst[o] + b * (kCodes + 4 * Words);
      std::memcpy(to, src + 2 * o, 2);
      to[kZero] = src[kPackedZero + o];
      for (std::size_t c = 0; c < Words; ++c) {
        store_word(to + kCodes + 4 * c, load_word(src + kPackedCodes + 64 * c + 4 * o));
      }
    }
  }
}

}  // namespace

template <std::size_t Words>
BlockPacker group_packer() {
  return {pack<Words>, unpack<Words>};
}

template BlockPacker group_packer<2>();
template BlockPacker group_packer<3>();
template BlockPacker group_packer<4>();
template BlockPacker group_packer<6>();
template BlockPacker group_packer<8>();
template BlockPacker group_packer<12>();
template BlockPacker group_packer<16>();
template BlockPacker group_packer<32>();

}  // namespace halfbyte
