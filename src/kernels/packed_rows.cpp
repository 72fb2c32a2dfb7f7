// Packing of the types with one scale a row: w8a8, int8, w4a8.
//
// File row: f32 scale, then blocks of 32 inputs: a signed byte each; or (w4a8) the byte of the
// block's integers, then 16 bytes of nibbles, paired as those of q4_0. Panel: f32 [16], then
// blocks: of w4a8 the integers' bytes [16]; then steps, bytes as unsigned codes.
#include "kernels/packed_rows.h"

#include <algorithm>

#include "kernels/packed_blocks.h"

namespace halfbyte {
namespace {

using packing::load_word;
using packing::store_word;

constexpr std::size_t kScale = sizeof(float);

struct Int8 {
  static constexpr std::size_t kIntegers = 0;          // bytes before a block's codes
  static constexpr std::size_t kWords = 8;             // of codes, a block
  static constexpr std::uint32_t kFlip = 0x80808080u;  // signed -> code + 128
};
struct Int4 {
  static constexpr std::size_t kIntegers = 1;
  static constexpr std::size_t kWords = 4;
  static constexpr std::uint32_t kFlip = 0;
};

template <typename Codes>
void pack(const std::byte* const src[16], std::byte* dst, std::size_t blocks) {
  constexpr std::size_t kStored = Codes::kIntegers + 4 * Codes::kWords;
  for (std::size_t o = 0; o < 16; ++o) {
    std::memcpy(dst + o * kScale, src[o], kScale);
    const std::byte* from = src[o] + kScale;
    std::byte* to = dst + 16 * kScale;
    for (std::size_t b = 0; b < blocks; ++b, from += kStored, to += 16 * kStored) {
      std::memcpy(to + o, from, Codes::kIntegers);
      for (std::size_t c = 0; c < Codes::kWords; ++c) {
        store_word(to + 16 * Codes::kIntegers + 64 * c + 4 * o,
                   load_word(from + Codes::kIntegers + 4 * c) ^ Codes::kFlip);
      }
    }
  }
}

template <typename Codes>
void unpack(const std::byte* src, std::byte* const dst[16], std::size_t blocks) {
  constexpr std::size_t kStored = Codes::kIntegers + 4 * Codes::kWords;
  for (std::size_t o = 0; o < 16; ++o) {
    std::memcpy(dst[o], src + o * kScale, kScale);
    const std::byte* from = src + 16 * kScale;
    std::byte* to = dst[o] + kScale;
    for (std::size_t b = 0; b < blocks; ++b, from += 16 * kStored, to += kStored) {
      std::memcpy(to, from + o, Codes::kIntegers);
      for (std::size_t c = 0; c < Codes::kWords; ++c) {
        store_word(to + Codes::kIntegers + 4 * c,
                   load_word(from + 16 * Codes::kIntegers + 64 * c + 4 * o) ^ Codes::kFlip);
      }
    }
  }
}

}  // namespace

const BlockPacker kPackRowInt8 = {pack<Int8>, unpack<Int8>};
const BlockPacker kPackRowInt4 = {pack<Int4>, unpack<Int4>};

void pack_token_block(const TokenRows& x, std::size_t block, std::byte* panel) {
  static_assert(kTokenRows == kPanel);
  const std::size_t first = block * kTokenRows;
  const std::size_t rows = std::min(kTokenRows, x.rows - first);
  const std::size_t steps = (x.k + kTokenInputs - 1) / kTokenInputs;
  const auto* const codes =
      reinterpret_cast<const std::byte*>(x.codes + first * steps * kTokenInputs);
  for (std::size_t o = 0; o < kPanel; ++o) {
    const float scale = o < rows ? x.scales[first + o] : 0.0f;
    std::memcpy(panel + o * kScale, &scale, kScale);
  }
  std::byte* words = panel + kPanel * kScale;
  for (std::size_t input = 0; input < x.k; input += 4, words += 4 * kPanel) {
    const std::byte* const from =
        codes + input / kTokenInputs * rows * kTokenInputs + input % kTokenInputs;
    for (std::size_t o = 0; o < kPanel; ++o) {
      const std::uint32_t word = o < rows ? load_word(from + o * kTokenInputs) : 0;
      store_word(words + 4 * o, word ^ Int8::kFlip);
    }
  }
}

}  // namespace halfbyte
