// ggml's searches for the scales of groups, four groups at once, operation by operation as its
// reference does them: the bytes of the encoders depend on every rounding.
//
// Source of the formulas: ggml's reference quantizers (make_qx_quants and its relatives).
#pragma once

#include <cstddef>
#include <cstdint>

#include "tensor/blocks/lane_group.h"
#include "tensor/blocks/shapes.h"

namespace halfbyte::blocks {

struct FoundScales {
  Lanes scale;
  Lanes min;  // not negative; 0 where the levels lie around zero
};

// Candidates for 1 / scale: the range of levels, plus first + step * k for k = 0 .. steps.
struct AffineSteps {
  float first;
  float step;
  int steps;
};
// How an affine search goes: with the absolute or the squared error, and whether it brings numbers
// into the range before rounding them (only so they are safe where the scale overflows).
enum class AffineRule : std::uint8_t { squares, absolutes, clamped_squares };

// Levels 0 .. top, value = scale * level - min. codes[n] are floats.
FoundScales search_affine(const LaneGroup& group, float top, AffineSteps steps, AffineRule rule,
                          Lanes* codes);

// The steps and the rule of all types with importance.
FoundScales search_affine_weighted(const LaneGroup& group, float top, Lanes* codes);

// Levels -half .. half - 1; codes are level + half, and 0 in a group of (nearly) zeros.
FoundScales search_signed(const LaneGroup& group, float half, Lanes* codes);

// The same, descending from the first candidate by single codes instead of trying scales.
FoundScales descend_signed(const LaneGroup& group, float half, Lanes* codes);

// The levels of iq4. Codes follow from the scale.
FoundScales search_iq4(const LaneGroup& group);

// d such that d * s[n] fits values[n] weighted by w[n], with integers 0 .. top in s.
float search_sub_scales(const float* values, const float* w, std::size_t n, int top,
                        std::uint8_t* s);

}  // namespace halfbyte::blocks
