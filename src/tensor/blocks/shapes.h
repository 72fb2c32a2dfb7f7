// The shapes of the block types that have a grid: groups, levels and sub-scales.
#pragma once

#include <cstddef>
#include <cstdint>

namespace halfbyte::blocks {

// How ggml weighs elements without importance.
enum class DefaultWeight : std::uint8_t {
  none,
  magnitude,      // |x|
  magnitude_rms,  // |x| + root of the group's mean square
  square,         // x^2
};

enum class Levels : std::uint8_t { zero_up, around_zero, iq4 };

struct SubScaleRange {
  int low;
  int high;
};

// Codes 0, 1, .. are the levels low, low + 1, .. (of iq4: those of its table). Blocks with levels
// from zero up have minimums.
struct BlockShape {
  std::size_t groups;
  std::size_t group;  // elements
  Levels levels;
  float low;
  float high;
  DefaultWeight weight;
  SubScaleRange sub;      // of superblocks
  std::uint8_t sub_bias;  // what is added to sub-scales as they are stored
};

inline constexpr std::size_t kMaxBlock = 256;
inline constexpr std::size_t kMaxGroup = 32;
inline constexpr std::size_t kMaxGroups = 16;

inline constexpr BlockShape kShapeQ4_0 = {1,  32, Levels::around_zero, -8, 7, DefaultWeight::none,
                                          {}, 0};
inline constexpr BlockShape kShapeQ4_1 = {1,  32, Levels::zero_up, 0, 15, DefaultWeight::none,
                                          {}, 0};
inline constexpr BlockShape kShapeQ5_0 = {1,  32, Levels::around_zero, -16, 15, DefaultWeight::none,
                                          {}, 0};
inline constexpr BlockShape kShapeQ5_1 = {1,  32, Levels::zero_up, 0, 31, DefaultWeight::none,
                                          {}, 0};
inline constexpr BlockShape kShapeQ8_0 = {
    1, 32, Levels::around_zero, -127, 127, DefaultWeight::none, {}, 0};
inline constexpr BlockShape kShapeQ2_K = {
    16, 16, Levels::zero_up, 0, 3, DefaultWeight::magnitude, {0, 15}, 0};
inline constexpr BlockShape kShapeQ3_K = {
    16, 16, Levels::around_zero, -4, 3, DefaultWeight::square, {-32, 31}, 32};
inline constexpr BlockShape kShapeQ4_K = {
    8, 32, Levels::zero_up, 0, 15, DefaultWeight::magnitude_rms, {0, 63}, 0};
inline constexpr BlockShape kShapeQ5_K = {
    8, 32, Levels::zero_up, 0, 31, DefaultWeight::magnitude_rms, {0, 63}, 0};
inline constexpr BlockShape kShapeQ6_K = {
    16, 16, Levels::around_zero, -32, 31, DefaultWeight::square, {-128, 127}, 0};
inline constexpr BlockShape kShapeIq4Nl = {1,  32, Levels::iq4, -127, 113, DefaultWeight::square,
                                           {}, 0};
inline constexpr BlockShape kShapeIq4Xs = {
    8, 32, Levels::iq4, -127, 113, DefaultWeight::square, {-32, 31}, 32};

}  // namespace halfbyte::blocks
