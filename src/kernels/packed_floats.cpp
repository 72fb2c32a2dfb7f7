// Packing of f32, f16 and bf16: 16 rows [16][k] <-> [k][16].
#include "kernels/packed_blocks.h"

namespace halfbyte {
namespace {

template <typename T>
void pack_floats(const std::byte* const src[16], std::byte* dst, std::size_t count) {
  for (std::size_t i = 0; i < count; ++i) {
    for (std::size_t o = 0; o < 16; ++o) {
      std::memcpy(dst + (i * 16 + o) * sizeof(T), src[o] + i * sizeof(T), sizeof(T));
    }
  }
}

template <typename T>
void unpack_floats(const std::byte* src, std::byte* const dst[16], std::size_t count) {
  for (std::size_t i = 0; i < count; ++i) {
    for (std::size_t o = 0; o < 16; ++o) {
      std::memcpy(dst[o] + i * sizeof(T), src + (i * 16 + o) * sizeof(T), sizeof(T));
    }
  }
}

}  // namespace

const BlockPacker kPackF32 = {pack_floats<std::uint32_t>, unpack_floats<std::uint32_t>};
const BlockPacker kPackHalf = {pack_floats<std::uint16_t>, unpack_floats<std::uint16_t>};

}  // namespace halfbyte
