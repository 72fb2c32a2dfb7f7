// The values a block type can hold, for methods that choose codes themselves (GPTQ and its kin).
//
// A block is `block` elements in groups of `group`, each with a scale and a minimum; an element is
// one of `codes` levels: value = scale * level - min, in floats, rounded after the product and
// after the difference, which is bit for bit what decoding the packed block gives.
#pragma once

#include <algorithm>
#include <array>
#include <bit>
#include <cstddef>
#include <cstdint>

#include "tensor/group_types.h"

namespace halfbyte {

// The scales of one block. Types with one group use scale[0] and min[0], types without a minimum
// have min 0. Scales of types without one may be negative.
struct GridBlock {
  std::array<float, 16> scale{};  // by group, as decoding computes them
  std::array<float, 16> min{};
  float row = 0.0f;     // of types with a row header: its scale, set before the block is fitted
  std::uint16_t d = 0;  // as stored: halves (of q4_1 and q5_1 dmin is the negated minimum)
  std::uint16_t dmin = 0;
  std::array<std::uint8_t, 16> sub_scale{};  // as stored, with the type's offset or sign
  std::array<std::uint8_t, 16> sub_min{};    // of types with a zero point: that, min = scale * it
};

struct Grid {
  DType dtype;
  std::uint32_t block;  // elements
  std::uint32_t group;  // elements that share scale and min
  std::uint32_t codes;
  const float* levels;  // [codes], ascending
  bool uniform;         // levels are consecutive integers

  // Scales for x[block] that minimize sum importance * (x - value)^2 over nearest codes.
  // importance [block] is not negative; nullptr weighs as ggml does without one. No worse than
  // ggml's weighted search. Scales are finite for finite x.
  void (*fit)(const float* x, const float* importance, GridBlock& block);
  // The storable scales nearest to scale[groups] and min[groups] (negative minimums count as 0 for
  // the superblocks); weights [groups] say how much each group matters, nullptr: all the same. A
  // fitted block's own scales give that block back.
  void (*project)(const float* scale, const float* min, const float* weights, GridBlock& block);
  // dst = the packed block of codes[block].
  void (*pack)(const GridBlock& block, const std::uint8_t* codes, std::byte* dst);
  // The scale of a row x[n], for all its blocks and for its header, an f32; nullptr for types that
  // have none. importance as above.
  float (*row_scale)(const float* x, const float* importance, std::size_t n) = nullptr;
  // As fit, for the scales that all blocks of a row x[n] share; nullptr: each has its own.
  void (*fit_row)(const float* x, const float* importance, std::size_t n,
                  GridBlock& block) = nullptr;

  [[nodiscard]] std::size_t groups() const { return block / group; }
  [[nodiscard]] bool by_row() const { return fit_row != nullptr; }
};

// nullptr where a type has none. Rules are for types with a zero point (tensor/group_types.h), and
// make no difference to others. Symmetric: levels are -h to h - 1 with h = 2^(bits - 1), without a
// minimum.
const Grid* find_grid(DType dtype, ScaleRules rules = {});

// Of types with a row header, its scale for x[n] in all blocks [n / block]: before any is fitted.
void scale_row(const Grid& grid, const float* x, const float* importance, std::size_t n,
               GridBlock* blocks);
// All scales for one row x[n] as the grid has them: of the row, of each block, or one for all.
void fit_row(const Grid& grid, const float* x, const float* importance, std::size_t n,
             GridBlock* blocks);

// The nearest of the 16 levels of iq4: indexed with twice the offset of a value from -128.
extern const std::array<std::uint8_t, 512> kNearestIq4;

inline std::uint8_t nearest_iq4(float v) {
  const float kept = std::min(v > -128.0f ? v : -128.0f, 127.5f);
  return kNearestIq4[static_cast<std::size_t>((kept + 128.0f) * 2.0f)];
}

// Of consecutive integers from `low`, `top` above which is the last. Adding 1.5 * 2^23 leaves the
// nearest integer in the low bits.
inline std::uint8_t nearest_integer_code(float v, float low, float top) {
  const float above = v - low;
  const float kept = std::min(above > 0.0f ? above : 0.0f, top);
  return static_cast<std::uint8_t>(std::bit_cast<std::uint32_t>(kept + 12582912.0f));
}

// The code whose level lies nearest to v = (x + min) / scale; the lowest for NaN.
inline std::uint8_t nearest_level(const Grid& grid, float v) {
  if (!grid.uniform) return nearest_iq4(v);
  return nearest_integer_code(v, grid.levels[0], static_cast<float>(grid.codes - 1));
}

// Of a group with scale 0 every code has the same value: the code of level 0 (or next to it).
inline std::uint8_t nearest_code(const Grid& grid, float scale, float min, float x) {
  return nearest_level(grid, scale != 0.0f ? (x + min) / scale : 0.0f);
}

// codes[block] = the nearest ones for x[block].
void nearest_codes(const Grid& grid, const GridBlock& block, const float* x, std::uint8_t* codes);

}  // namespace halfbyte
