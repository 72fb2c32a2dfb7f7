// w4a8 (QoQ, Lin et al. 2024): a row is an f32 scale r, then for every 32 elements a byte and 32
// nibbles paired as those of q4_0. The byte holds an integer scale s less one, and above it a zero
// point z: x = r * ((code - z) * s), where (code - z) * s is a signed byte, taken modulo 256.
//
// What is written here never needs the modulus: z is one with which all 16 codes of a group fit.
// And r has 16 significant bits, so that its products with integers of 8 bits are exact: r * s
// * code - r * s * z, as grids compute values, has the bits of what decoding gives.
#include "tensor/blocks/row_int4.h"

#include <algorithm>
#include <array>
#include <bit>
#include <cfloat>
#include <cmath>
#include <limits>

#include "tensor/blocks/block.h"
#include "tensor/blocks/codecs.h"
#include "tensor/blocks/lanes.h"
#include "tensor/blocks/rounding.h"

namespace halfbyte::blocks {

namespace {

constexpr std::size_t kBlockBytes = 1 + kBlock / 2;
constexpr int kMostScale = 16;
constexpr float kTop = 15.0f;  // the last code
// To what level of a byte a row's largest magnitude goes; the first is QoQ's protective range.
constexpr std::array<float, 5> kPeaks = {119.0f, 127.0f, 123.0f, 115.0f, 111.0f};
// Scales of a group that are tried, from the one that just spans its values.
constexpr std::array<int, kLanes> kScaleSteps = {0, 1, -1, -2};

// The zeros with which every code times the scale fits a signed byte.
constexpr int least_zero(int scale) {
  return std::max(0, 15 - 127 / scale);
}
constexpr int most_zero(int scale) {
  return std::min(15, 128 / scale);
}

struct Integers {
  int scale = 1;
  int zero = 0;
};

// One group in units of the row's scale, each element in four lanes.
struct Group {
  std::array<Lanes, kBlock> x;
  std::array<Lanes, kBlock> w;
  float low = 0.0f;   // not above 0
  float high = 0.0f;  // not below 0

  Group(const float* values, const float* importance, float inverse) {
    for (std::size_t i = 0; i < kBlock; ++i) {
      const float v = values[i] * inverse;
      x[i] = splat(v);
      w[i] = splat(importance != nullptr ? importance[i] : 1.0f);
      low = std::min(low, v);
      high = std::max(high, v);
    }
  }
};

Lanes weighted_errors(const Group& group, Lanes scale, Lanes zero) {
  const Lanes inverse_scale = inverse(scale);
  Lanes sum = splat(0.0f);
  for (std::size_t i = 0; i < kBlock; ++i) {
    const Lanes level = round_even(clamp(group.x[i] * inverse_scale, -zero, kTop - zero));
    const Lanes miss = group.x[i] - level * scale;
    sum += group.w[i] * miss * miss;
  }
  return sum;
}

struct Candidate {
  Integers integers;
  float error = INFINITY;
};

// The zeros on both sides of where the middle of the values is in the middle of the codes: the
// nearer one, or the farther.
int zero_beside(float center, bool farther) {
  const float nearest = std::floor(center + 0.5f);
  const float other = center > nearest ? nearest + 1.0f : nearest - 1.0f;
  return static_cast<int>(farther ? other : nearest);
}

Candidate search(const Group& group) {
  const float span = std::min((group.high - group.low) / kTop, 2.0f * kMostScale);
  const float middle = std::clamp((group.high + group.low) / 2.0f, -256.0f, 256.0f);
  std::array<Integers, kLanes> tried;
  Candidate best;
  for (const bool farther : {false, true}) {
    Lanes scales = splat(1.0f);
    Lanes zeros = splat(0.0f);
    for (std::size_t i = 0; i < kLanes; ++i) {
      const int s = std::clamp(round_away(span) + kScaleSteps[i], 1, kMostScale);
      const int zero = zero_beside(kTop / 2.0f - middle / static_cast<float>(s), farther);
      tried[i] = {s, std::clamp(zero, least_zero(s), most_zero(s))};
      scales[i] = static_cast<float>(tried[i].scale);
      zeros[i] = static_cast<float>(tried[i].zero);
    }
    const Lanes errors = weighted_errors(group, scales, zeros);
    for (std::size_t i = 0; i < kLanes; ++i) {
      if (errors[i] < best.error) best = {tried[i], errors[i]};
    }
  }
  return best;
}

// To 16 significant bits; what is too small to divide by is 0.
float round_scale(float scale) {
  if (!(scale >= FLT_MIN)) return 0.0f;
  return std::bit_cast<float>((std::bit_cast<std::uint32_t>(scale) + 0x80u) & ~0xFFu);
}

void set_block(Integers integers, GridBlock& block) {
  block.sub_scale[0] = static_cast<std::uint8_t>(integers.scale);
  block.sub_min[0] = static_cast<std::uint8_t>(integers.zero);
  block.scale[0] = block.row * static_cast<float>(integers.scale);
  block.min[0] = block.scale[0] * static_cast<float>(integers.zero);
}

double row_error(const float* x, const float* importance, std::size_t n, float scale) {
  double sum = 0.0;
  for (std::size_t i = 0; i < n; i += kBlock) {
    const float* const weights = importance != nullptr ? importance + i : nullptr;
    sum += static_cast<double>(search(Group(x + i, weights, 1.0f / scale)).error);
  }
  return sum * static_cast<double>(scale) * static_cast<double>(scale);
}

void encode_row(const float* src, const float* importance, std::byte* dst, std::size_t n) {
  const Grid& grid = *find_grid(DType::w4a8);
  std::array<std::uint8_t, kBlock> codes;
  GridBlock block;
  block.row = row_scale_int4(src, importance, n);
  store(reinterpret_cast<std::uint8_t*>(dst), block.row);
  dst += sizeof(float);
  for (std::size_t i = 0; i < n; i += kBlock, dst += kBlockBytes) {
    fit_row_int4(src + i, importance != nullptr ? importance + i : nullptr, block);
    nearest_codes(grid, block, src + i, codes.data());
    pack_row_int4(block, codes.data(), dst);
  }
}

}  // namespace

float row_scale_int4(const float* x, const float* importance, std::size_t n) {
  std::int32_t peak = 0;
  for (std::size_t i = 0; i < n; ++i) peak = std::max(peak, magnitude_bits(x[i]));
  if (peak >= kInfinityBits) return std::numeric_limits<float>::quiet_NaN();
  float best = round_scale(std::bit_cast<float>(peak) / kPeaks[0]);
  if (importance == nullptr || best == 0.0f) return best;
  double least = INFINITY;
  for (const float level : kPeaks) {
    const float scale = round_scale(std::bit_cast<float>(peak) / level);
    const double error = row_error(x, importance, n, scale);
    if (!(error < least)) continue;
    least = error;
    best = scale;
  }
  return best;
}

void fit_row_int4(const float* x, const float* importance, GridBlock& block) {
  if (!(block.row > 0.0f)) return set_block({}, block);
  set_block(search(Group(x, importance, 1.0f / block.row)).integers, block);
}

// What the middle of the codes stands for is kept, wherever rounding moves the scale.
void project_row_int4(const float* scale, const float* min, const float*, GridBlock& block) {
  if (!(block.row > 0.0f)) return set_block({}, block);
  const float units = std::clamp(scale[0] / block.row, 1.0f, static_cast<float>(kMostScale));
  const int s = round_away(units);
  const float middle = kTop / 2.0f * scale[0] - min[0];
  const float zero = kTop / 2.0f - middle / (block.row * static_cast<float>(s));
  set_block({s, std::clamp(round_away(zero), least_zero(s), most_zero(s))}, block);
}

void pack_row_int4(const GridBlock& block, const std::uint8_t* codes, std::byte* dst) {
  dst[0] = std::byte(block.sub_scale[0] - 1) | std::byte(block.sub_min[0]) << 4;
  for (std::size_t i = 0; i < kBlock / 2; ++i) {
    dst[1 + i] = std::byte(codes[i]) | std::byte(codes[kBlock / 2 + i]) << 4;
  }
}

void decode_row_int4(const std::byte* src, float* dst, std::size_t n) {
  const auto* row = reinterpret_cast<const std::uint8_t*>(src);
  const auto scale = load<float>(row);
  row += sizeof(float);
  const auto value = [&](int code) {
    return scale *
           static_cast<float>(static_cast<std::int8_t>((code - (*row >> 4)) * ((*row & 15) + 1)));
  };
  for (std::size_t i = 0; i < n; i += kBlock, row += kBlockBytes) {
    for (std::size_t j = 0; j < kBlock / 2; ++j) {
      dst[i + j] = value(row[1 + j] & 15);
      dst[i + kBlock / 2 + j] = value(row[1 + j] >> 4);
    }
  }
}

void encode_row_int4(const float* src, std::byte* dst, std::size_t n) {
  encode_row(src, nullptr, dst, n);
}

void encode_weighted_row_int4(const float* src, const float* importance, std::byte* dst,
                              std::size_t n) {
  encode_row(src, importance, dst, n);
}

}  // namespace halfbyte::blocks
