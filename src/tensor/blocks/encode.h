// What the encoders that search for their scales share: every superblock type, and the blocks of 32
// where there is importance. Byte for byte what ggml's reference writes.
#pragma once

#include <cstddef>
#include <cstdint>

#include "tensor/blocks/search.h"
#include "tensor/blocks/shapes.h"
#include "tensor/grid.h"

namespace halfbyte::blocks {

// A search among four groups, with codes [n] as floats.
using SearchGroups = FoundScales (*)(const LaneGroup& group, Lanes* codes);

// A block in the making.
struct Draft {
  GridBlock block;
  std::uint8_t codes[kMaxBlock];
};

// w[256] of one superblock. importance [256] or nullptr; `squares`: how many mean squares of the
// superblock are added to each square.
void weigh_superblock(const BlockShape& shape, float squares, const float* x,
                      const float* importance, float* w);

// The scales and minimums of all groups in draft.block, and their codes.
void search_superblock(const BlockShape& shape, SearchGroups search, const float* x, const float* w,
                       Draft& draft);

// Codes for the scales of the finished block; they stay as they are in groups whose scale is 0.
void code_again(const BlockShape& shape, const float* x, Draft& draft);

// The one of largest magnitude, the first of several; 0 for none.
float peak_of(const float* values, std::size_t n);

// Superblocks with minimums: q2_k, q4_k, q5_k.
struct AffineEncoder {
  const BlockShape& shape;
  SearchGroups search;           // without importance
  SearchGroups weighted_search;  // with it
  float squares;
};
void encode_affine(const AffineEncoder& encoder, const float* x, const float* importance,
                   Draft& draft);

// Blocks of 32, a whole row: importance [n] or nullptr. The variance is that of the row or twice
// that of the block.
struct SmallEncoder {
  const BlockShape& shape;
  SearchGroups search;
  bool row_variance;
  void (*pack)(const GridBlock& block, const std::uint8_t* codes, std::byte* dst);
  std::size_t bytes;  // of a block
};
void encode_small(const SmallEncoder& encoder, const float* src, const float* importance,
                  std::byte* dst, std::size_t n);

// kEncode(floats, importance or nullptr, draft) and kPack for each superblock.
template <std::size_t kBytes, auto kEncode, auto kPack>
void encode_superblocks(const float* src, const float* importance, std::byte* dst, std::size_t n) {
  Draft draft;
  for (std::size_t i = 0; i < n; i += kMaxBlock, dst += kBytes) {
    draft.block = {};
    kEncode(src + i, importance != nullptr ? importance + i : nullptr, draft);
    kPack(draft.block, draft.codes, dst);
  }
}

}  // namespace halfbyte::blocks
