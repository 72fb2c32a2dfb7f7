// Scalar quantizing to 8 bits in groups of 32, and storing rows into a KV cache.
//
// One formula everywhere, so that all instruction sets give the same bits:
//   max = max|x|, scale = max / 127, code = round_to_even(x * min(127 / max, FLT_MAX)), all in f32.
// The minimum only matters for max < 2^-121, zero included. A group with an infinity or a NaN gets
// scale NaN and codes 0, so what is computed from it is NaN. Outliers: max > 2 * sum / groups,
// where sum is that of all groups' maxima, ascending; with one that is not finite there are none.
#include <bit>
#include <cmath>
#include <cstring>
#include <limits>

#include "base/half.h"
#include "kernels/reference/row_ops.h"

namespace halfbyte::reference {
namespace {

constexpr std::size_t kGroup = 32;
constexpr std::uint32_t kInfinityBits = 0x7F800000u;

// Nearest integer, ties to even, for |x| < 2^22: the sum has no bits left for a fraction.
float round_to_even(float x) {
  constexpr float kMagic = 0x1.8p23f;
  return (x + kMagic) - kMagic;
}

// The bits of the largest magnitude of 32 inputs: they order like magnitudes, NaN above everything.
std::uint32_t max_magnitude_bits(const float* x) {
  std::uint32_t bits = 0;
  for (std::size_t i = 0; i < kGroup; ++i) {
    const std::uint32_t magnitude = std::bit_cast<std::uint32_t>(x[i]) & 0x7FFFFFFFu;
    bits = magnitude > bits ? magnitude : bits;
  }
  return bits;
}

// Codes of 32 inputs; returns the scale.
float quantize_group(const float* x, std::int8_t* codes) {
  const std::uint32_t bits = max_magnitude_bits(x);
  if (bits >= kInfinityBits) {
    std::memset(codes, 0, kGroup);
    return std::numeric_limits<float>::quiet_NaN();
  }
  const float max = std::bit_cast<float>(bits);
  constexpr float kLargest = std::numeric_limits<float>::max();
  const float ratio = max > 0.0f ? 127.0f / max : kLargest;
  const float inverse = ratio < kLargest ? ratio : kLargest;
  for (std::size_t i = 0; i < kGroup; ++i)
    codes[i] = static_cast<std::int8_t>(round_to_even(x[i] * inverse));
  return max / 127.0f;
}

// The input of largest magnitude, the first of them.
std::size_t largest_of(const float* x) {
  std::size_t largest = 0;
  for (std::size_t i = 1; i < kGroup; ++i)
    if (std::fabs(x[i]) > std::fabs(x[largest])) largest = i;
  return largest;
}

// The magnitude above which the largest input of a group is an outlier.
float outlier_limit(const float* x, std::size_t groups) {
  float sum = 0.0f;
  for (std::size_t g = 0; g < groups; ++g)
    sum += std::bit_cast<float>(max_magnitude_bits(x + g * kGroup));
  return kOutlierRatio * sum / static_cast<float>(groups);
}

std::int32_t sum16(const std::int8_t* codes) {
  std::int32_t sum = 0;
  for (std::size_t i = 0; i < 16; ++i) sum += codes[i];
  return sum;
}

}  // namespace

void quantize_groups(const float* x, std::size_t row, const QuantizedRows& out) noexcept {
  const QuantizedRow to = quantized_row(out, row);
  const float limit = outlier_limit(x, out.k / kGroup);
  Outlier* outlier = to.outliers;
  for (std::size_t group = 0; group < out.k / kGroup; ++group) {
    float inputs[kGroup];
    std::memcpy(inputs, x + group * kGroup, sizeof inputs);
    const std::size_t largest = largest_of(inputs);
    if (std::fabs(inputs[largest]) > limit) {
      *outlier++ = {static_cast<std::uint32_t>(group * kGroup + largest), inputs[largest]};
      inputs[largest] = 0.0f;
    }
    std::int8_t codes[kGroup];
    to.scales[group * to.stride] = quantize_group(inputs, codes);
    to.sums[2 * group * to.stride] = sum16(codes);
    to.sums[(2 * group + 1) * to.stride] = sum16(codes + 16);
    for (std::size_t i = 0; i < kGroup; ++i)
      to.codes[(group * kGroup + i) / 4 * 4 * to.stride + i % 4] = codes[i];
  }
  *outlier = {static_cast<std::uint32_t>(out.k), 0.0f};
}

void store_bf16(const float* x, std::size_t row, const Bf16Rows& out) noexcept {
  const std::size_t steps = (out.k + kBf16Inputs - 1) / kBf16Inputs;
  std::uint16_t* dst =
      out.words + row / kBf16Rows * steps * kBf16Rows * kBf16Inputs + row % kBf16Rows * kBf16Inputs;
  for (std::size_t i = 0; i < steps * kBf16Inputs; ++i) {
    dst[i / kBf16Inputs * kBf16Rows * kBf16Inputs + i % kBf16Inputs] =
        i < out.k ? float_to_bfloat16(x[i]) : std::uint16_t{0};
  }
}

void store_cache(const float* x, std::size_t n, DType dtype, std::byte* dst) noexcept {
  if (dtype == DType::f32) {
    std::memcpy(dst, x, n * sizeof(float));
  } else if (dtype == DType::f16) {
    for (std::size_t i = 0; i < n; ++i) {
      const std::uint16_t half = float_to_half(x[i]);
      std::memcpy(dst + i * sizeof half, &half, sizeof half);
    }
  } else {  // q8_0: f16 scale, then 32 codes
    for (std::size_t i = 0; i < n; i += kGroup, dst += sizeof(std::uint16_t) + kGroup) {
      std::int8_t codes[kGroup];
      const std::uint16_t scale = float_to_half(quantize_group(x + i, codes));
      std::memcpy(dst, &scale, sizeof scale);
      std::memcpy(dst + sizeof scale, codes, kGroup);
    }
  }
}

}  // namespace halfbyte::reference
