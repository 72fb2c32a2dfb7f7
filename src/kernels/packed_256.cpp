// Packing of the formats with blocks of 256 inputs: q2_k ... q6_k, iq4_xs.
//
// Each format is a struct that moves one output's block between the file's order (ggml's published
// block layouts) and lane `o` of the packed block. A group is 32 inputs; its codes take 64 bytes a
// bit. Word w of a group is inputs 4w .. 4w+3.
#include "kernels/packed_blocks.h"

namespace halfbyte {
namespace {

using packing::load_word;
using packing::store_word;
using packing::transpose_bits;
using packing::transpose_nibbles;
using packing::transpose_pairs;

constexpr std::size_t kGroups = 8;

unsigned byte_at(const std::byte* p, std::size_t i) {
  return std::to_integer<unsigned>(p[i]);
}

void copy_half(const std::byte* from, std::byte* to) {
  std::memcpy(to, from, 2);
}

// Bytes [count] of the file <-> column o of [count][16].
void scatter(const std::byte* from, std::size_t count, std::byte* column) {
  for (std::size_t i = 0; i < count; ++i) column[16 * i] = from[i];
}
void gather(const std::byte* column, std::size_t count, std::byte* to) {
  for (std::size_t i = 0; i < count; ++i) to[i] = column[16 * i];
}

// Where a word of a packed plane lies: chunk c (64 bytes) of a group for output o.
struct Codes {
  std::size_t begin;   // of group 0 in the packed block
  std::size_t stride;  // bytes a group
  std::size_t at(std::size_t group, std::size_t plane, std::size_t chunk, std::size_t o) const {
    return begin + group * stride + plane + 64 * chunk + 4 * o;
  }
};

// Two groups that share the nibbles of the file's bytes [32] (low: group a, high: group b).
void pack_nibbles(const std::byte* from, std::byte* dst, Codes codes, std::size_t a, std::size_t b,
                  std::size_t o) {
  for (std::size_t c = 0; c < 4; ++c) {
    std::uint32_t first = load_word(from + 4 * c);
    std::uint32_t second = load_word(from + 16 + 4 * c);
    transpose_nibbles(first, second);
    store_word(dst + codes.at(a, 0, c, o), first);
    store_word(dst + codes.at(b, 0, c, o), second);
  }
}
void unpack_nibbles(const std::byte* src, std::byte* to, Codes codes, std::size_t a, std::size_t b,
                    std::size_t o) {
  for (std::size_t c = 0; c < 4; ++c) {
    std::uint32_t first = load_word(src + codes.at(a, 0, c, o));
    std::uint32_t second = load_word(src + codes.at(b, 0, c, o));
    transpose_nibbles(first, second);
    store_word(to + 4 * c, first);
    store_word(to + 16 + 4 * c, second);
  }
}

// 2 bits an input: byte l of half h holds inputs 128h + 32j + l at bits 2j; groups 4h + j.
void pack_pairs(const std::byte* from, std::byte* dst, Codes codes, std::size_t plane,
                std::size_t o) {
  for (std::size_t h = 0; h < 2; ++h) {
    for (std::size_t c = 0; c < 2; ++c) {
      std::uint32_t words[4];
      for (std::size_t i = 0; i < 4; ++i) words[i] = load_word(from + 32 * h + 16 * c + 4 * i);
      transpose_pairs(words);
      for (std::size_t j = 0; j < 4; ++j) {
        store_word(dst + codes.at(4 * h + j, plane, c, o), words[j]);
      }
    }
  }
}
void unpack_pairs(const std::byte* src, std::byte* to, Codes codes, std::size_t plane,
                  std::size_t o) {
  for (std::size_t h = 0; h < 2; ++h) {
    for (std::size_t c = 0; c < 2; ++c) {
      std::uint32_t words[4];
      for (std::size_t j = 0; j < 4; ++j) {
        words[j] = load_word(src + codes.at(4 * h + j, plane, c, o));
      }
      transpose_pairs(words);
      for (std::size_t i = 0; i < 4; ++i) store_word(to + 32 * h + 16 * c + 4 * i, words[i]);
    }
  }
}

// 1 bit an input: bit g of byte l is input 32g + l.
void pack_bits(const std::byte* from, std::byte* dst, Codes codes, std::size_t plane,
               std::size_t o) {
  std::uint32_t words[8];
  for (std::size_t s = 0; s < 8; ++s) words[s] = load_word(from + 4 * s);
  transpose_bits(words);
  for (std::size_t g = 0; g < kGroups; ++g) store_word(dst + codes.at(g, plane, 0, o), words[g]);
}
void unpack_bits(const std::byte* src, std::byte* to, Codes codes, std::size_t plane,
                 std::size_t o) {
  std::uint32_t words[8];
  for (std::size_t g = 0; g < kGroups; ++g) words[g] = load_word(src + codes.at(g, plane, 0, o));
  transpose_bits(words);
  for (std::size_t s = 0; s < 8; ++s) store_word(to + 4 * s, words[s]);
}

// scales[12] of q4_k and q5_k: 8 scales and 8 mins of 6 bits, as columns [8][16] each.
void pack_scales_k4(const std::byte* from, std::byte* scales, std::byte* mins) {
  for (std::size_t i = 0; i < 4; ++i) {
    const unsigned a = byte_at(from, i), b = byte_at(from, i + 4), c = byte_at(from, i + 8);
    scales[16 * i] = std::byte(a & 63u);
    mins[16 * i] = std::byte(b & 63u);
    scales[16 * (i + 4)] = std::byte((c & 15u) | ((a >> 6) << 4));
    mins[16 * (i + 4)] = std::byte((c >> 4) | ((b >> 6) << 4));
  }
}
void unpack_scales_k4(const std::byte* scales, const std::byte* mins, std::byte* to) {
  for (std::size_t i = 0; i < 4; ++i) {
    const unsigned high_scale = byte_at(scales, 16 * (i + 4)),
                   high_min = byte_at(mins, 16 * (i + 4));
    to[i] = std::byte(byte_at(scales, 16 * i) | ((high_scale >> 4) << 6));
    to[i + 4] = std::byte(byte_at(mins, 16 * i) | ((high_min >> 4) << 6));
    to[i + 8] = std::byte((high_scale & 15u) | ((high_min & 15u) << 4));
  }
}

struct Q2K {
  static constexpr std::size_t kFileBytes = 84, kPackedBytes = 1344;
  static constexpr Codes kCodes = {320, 128};
  static void pack(const std::byte* from, std::byte* dst, std::size_t o) {
    copy_half(from + 80, dst + 2 * o);
    copy_half(from + 82, dst + 32 + 2 * o);
    scatter(from, 16, dst + 64 + o);
    pack_pairs(from + 16, dst, kCodes, 0, o);
  }
  static void unpack(const std::byte* src, std::byte* to, std::size_t o) {
    copy_half(src + 2 * o, to + 80);
    copy_half(src + 32 + 2 * o, to + 82);
    gather(src + 64 + o, 16, to);
    unpack_pairs(src, to + 16, kCodes, 0, o);
  }
};

struct Q3K {
  static constexpr std::size_t kFileBytes = 110, kPackedBytes = 1824;
  static constexpr Codes kCodes = {288, 192};
  // scales[12]: low 4 bits of scale i in nibble i/8 of byte i%8, high 2 in bits 2(i/4) of byte
  // 8 + i%4.
  static void pack(const std::byte* from, std::byte* dst, std::size_t o) {
    copy_half(from + 108, dst + 2 * o);
    for (std::size_t i = 0; i < 16; ++i) {
      const unsigned low = (byte_at(from, 96 + i % 8) >> (4 * (i / 8))) & 15u;
      const unsigned high = (byte_at(from, 104 + i % 4) >> (2 * (i / 4))) & 3u;
      dst[32 + 16 * i + o] = std::byte(((low | (high << 4)) - 32u) & 255u);
    }
    pack_pairs(from + 32, dst, kCodes, 0, o);
    pack_bits(from, dst, kCodes, 128, o);
  }
  static void unpack(const std::byte* src, std::byte* to, std::size_t o) {
    copy_half(src + 2 * o, to + 108);
    unsigned bytes[12] = {};
    for (std::size_t i = 0; i < 16; ++i) {
      const unsigned scale = (byte_at(src, 32 + 16 * i + o) + 32u) & 63u;
      bytes[i % 8] |= (scale & 15u) << (4 * (i / 8));
      bytes[8 + i % 4] |= (scale >> 4) << (2 * (i / 4));
    }
    for (std::size_t i = 0; i < 12; ++i) to[96 + i] = std::byte(bytes[i]);
    unpack_pairs(src, to + 32, kCodes, 0, o);
    unpack_bits(src, to, kCodes, 128, o);
  }
};

// q4_k, and with the fifth bits between scales and nibbles q5_k.
template <bool Fifth>
struct Q45K {
  static constexpr std::size_t kNibbles = Fifth ? 48 : 16;  // in the file
  static constexpr std::size_t kFileBytes = kNibbles + 128;
  static constexpr Codes kCodes = {320, Fifth ? 320u : 256u};
  static constexpr std::size_t kPackedBytes = kCodes.begin + kGroups * kCodes.stride;
  static void pack(const std::byte* from, std::byte* dst, std::size_t o) {
    copy_half(from, dst + 2 * o);
    copy_half(from + 2, dst + 32 + 2 * o);
    pack_scales_k4(from + 4, dst + 64 + o, dst + 192 + o);
    for (std::size_t g = 0; g < kGroups; g += 2) {
      pack_nibbles(from + kNibbles + 16 * g, dst, kCodes, g, g + 1, o);
    }
    if constexpr (Fifth) pack_bits(from + 16, dst, kCodes, 256, o);
  }
  static void unpack(const std::byte* src, std::byte* to, std::size_t o) {
    copy_half(src + 2 * o, to);
    copy_half(src + 32 + 2 * o, to + 2);
    unpack_scales_k4(src + 64 + o, src + 192 + o, to + 4);
    for (std::size_t g = 0; g < kGroups; g += 2) {
      unpack_nibbles(src, to + kNibbles + 16 * g, kCodes, g, g + 1, o);
    }
    if constexpr (Fifth) unpack_bits(src, to + 16, kCodes, 256, o);
  }
};

struct Q6K {
  static constexpr std::size_t kFileBytes = 210, kPackedBytes = 3360;
  static constexpr Codes kCodes = {288, 384};
  static void pack(const std::byte* from, std::byte* dst, std::size_t o) {
    copy_half(from + 208, dst + 2 * o);
    scatter(from + 192, 16, dst + 32 + o);
    for (std::size_t i = 0; i < 4; ++i) {  // 32 bytes of nibbles: groups 4h + q and 4h + q + 2
      const std::size_t g = 4 * (i / 2) + i % 2;
      pack_nibbles(from + 32 * i, dst, kCodes, g, g + 2, o);
    }
    pack_pairs(from + 128, dst, kCodes, 256, o);
  }
  static void unpack(const std::byte* src, std::byte* to, std::size_t o) {
    copy_half(src + 2 * o, to + 208);
    gather(src + 32 + o, 16, to + 192);
    for (std::size_t i = 0; i < 4; ++i) {
      const std::size_t g = 4 * (i / 2) + i % 2;
      unpack_nibbles(src, to + 32 * i, kCodes, g, g + 2, o);
    }
    unpack_pairs(src, to + 128, kCodes, 256, o);
  }
};

struct Iq4Xs {
  static constexpr std::size_t kFileBytes = 136, kPackedBytes = 2208;
  static constexpr Codes kCodes = {160, 256};
  static void pack(const std::byte* from, std::byte* dst, std::size_t o) {
    copy_half(from, dst + 2 * o);
    for (std::size_t g = 0; g < kGroups; ++g) {
      const unsigned low = (byte_at(from, 4 + g / 2) >> (4 * (g % 2))) & 15u;
      const unsigned high = (byte_at(from, 2 + g / 4) >> (2 * (g % 4))) & 3u;
      dst[32 + 16 * g + o] = std::byte(((low | (high << 4)) - 32u) & 255u);
      for (std::size_t c = 0; c < 4; ++c) {
        store_word(dst + kCodes.at(g, 0, c, o), load_word(from + 8 + 16 * g + 4 * c));
      }
    }
  }
  static void unpack(const std::byte* src, std::byte* to, std::size_t o) {
    copy_half(src + 2 * o, to);
    unsigned bytes[6] = {};  // 2 of high bits, 4 of low ones
    for (std::size_t g = 0; g < kGroups; ++g) {
      const unsigned scale = (byte_at(src, 32 + 16 * g + o) + 32u) & 63u;
      bytes[g / 4] |= (scale >> 4) << (2 * (g % 4));
      bytes[2 + g / 2] |= (scale & 15u) << (4 * (g % 2));
      for (std::size_t c = 0; c < 4; ++c) {
        store_word(to + 8 + 16 * g + 4 * c, load_word(src + kCodes.at(g, 0, c, o)));
      }
    }
    for (std::size_t i = 0; i < 6; ++i) to[2 + i] = std::byte(bytes[i]);
  }
};

template <typename Format>
void pack(const std::byte* const src[16], std::byte* dst, std::size_t blocks) {
  for (std::size_t b = 0; b < blocks; ++b) {
    for (std::size_t o = 0; o < 16; ++o) {
      Format::pack(src[o] + b * Format::kFileBytes, dst + b * Format::kPackedBytes, o);
    }
  }
}

template <typename Format>
void unpack(const std::byte* src, std::byte* const dst[16], std::size_t blocks) {
  for (std::size_t b = 0; b < blocks; ++b) {
    for (std::size_t o = 0; o < 16; ++o) {
      Format::unpack(src + b * Format::kPackedBytes, dst[o] + b * Format::kFileBytes, o);
    }
  }
}

}  // namespace

const BlockPacker kPackQ2K = {pack<Q2K>, unpack<Q2K>};
const BlockPacker kPackQ3K = {pack<Q3K>, unpack<Q3K>};
const BlockPacker kPackQ4K = {pack<Q45K<false>>, unpack<Q45K<false>>};
const BlockPacker kPackQ5K = {pack<Q45K<true>>, unpack<Q45K<true>>};
const BlockPacker kPackQ6K = {pack<Q6K>, unpack<Q6K>};
const BlockPacker kPackIq4Xs = {pack<Iq4Xs>, unpack<Iq4Xs>};

}  // namespace halfbyte
