// Packing functions of the block formats, for the table in packed.cpp, and the bit arithmetic that
// they share. Words are 4 inputs of one output, a byte each, as they lie in the file.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>

namespace halfbyte {

using PackBlocks = void (*)(const std::byte* const src[16], std::byte* dst, std::size_t blocks);
using UnpackBlocks = void (*)(const std::byte* src, std::byte* const dst[16], std::size_t blocks);

struct BlockPacker {
  PackBlocks pack;
  UnpackBlocks unpack;
};

extern const BlockPacker kPackF32, kPackHalf;  // packed_floats.cpp
extern const BlockPacker kPackQ4_0, kPackQ4_1, kPackQ5_0, kPackQ5_1, kPackQ8_0;  // packed_32.cpp
template <std::size_t Words>                          // of a block's codes in the file
BlockPacker group_packer();                           // packed_groups.cpp: w2g32 ... w8g128
extern const BlockPacker kPackRowInt8, kPackRowInt4;  // packed_rows.cpp: w8a8 and int8; w4a8
extern const BlockPacker kPackQ2K, kPackQ3K, kPackQ4K, kPackQ5K, kPackQ6K, kPackIq4Xs;  // _256.cpp

namespace packing {

inline std::uint32_t load_word(const std::byte* p) {
  std::uint32_t word;
  std::memcpy(&word, p, sizeof(word));
  return word;
}
inline void store_word(std::byte* p, std::uint32_t word) {
  std::memcpy(p, &word, sizeof(word));
}

// Two words of two nibbles each change places as a 2x2 matrix; its own inverse.
inline void transpose_nibbles(std::uint32_t& a, std::uint32_t& b) {
  const std::uint32_t low = 0x0F0F0F0Fu;
  const std::uint32_t x = (a & low) | ((b & low) << 4);
  b = ((a >> 4) & low) | (b & ~low);
  a = x;
}
// 4 words of 4 fields of 2 bits as a 4x4 matrix; its own inverse.
inline void transpose_pairs(std::uint32_t words[4]) {
  std::uint32_t out[4] = {};
  for (unsigned i = 0; i < 4; ++i) {
    for (unsigned j = 0; j < 4; ++j) out[j] |= ((words[i] >> (2 * j)) & 0x03030303u) << (2 * i);
  }
  std::memcpy(words, out, sizeof(out));
}
// 8 words of 8 bits a byte as an 8x8 matrix; its own inverse.
inline void transpose_bits(std::uint32_t words[8]) {
  std::uint32_t out[8] = {};
  for (unsigned i = 0; i < 8; ++i) {
    for (unsigned j = 0; j < 8; ++j) out[j] |= ((words[i] >> j) & 0x01010101u) << i;
  }
  std::memcpy(words, out, sizeof(out));
}

}  // namespace packing
}  // namespace halfbyte
