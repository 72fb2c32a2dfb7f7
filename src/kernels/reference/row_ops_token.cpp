// Scalar quantizing to 8 bits with one scale a row, outliers taken out. The formula is that of a
// group in row_ops_quantize.cpp, over the inputs that are left.
#include <algorithm>
#include <bit>
#include <cstring>
#include <limits>

#include "kernels/reference/row_ops.h"

namespace halfbyte::reference {
namespace {

constexpr std::uint32_t kInfinityBits = 0x7F800000u;

std::uint32_t magnitude_bits(float x) {
  return std::bit_cast<std::uint32_t>(x) & 0x7FFFFFFFu;
}

float round_to_even(float x) {
  constexpr float kMagic = 0x1.8p23f;
  return (x + kMagic) - kMagic;
}

float inverse_of(float max) {
  constexpr float kLargest = std::numeric_limits<float>::max();
  const float ratio = max > 0.0f ? 127.0f / max : kLargest;
  return ratio < kLargest ? ratio : kLargest;
}

// Where a row's codes are: input i at i / 64 * step + i % 64.
struct CodePlace {
  std::int8_t* first;
  std::size_t step;
};
CodePlace place_of(const TokenRows& out, std::size_t row) {
  const std::size_t block = row / kTokenRows * kTokenRows;
  const std::size_t steps = (out.k + kTokenInputs - 1) / kTokenInputs;
  return {out.codes + (block * steps + row - block) * kTokenInputs,
          std::min(kTokenRows, out.rows - block) * kTokenInputs};
}

}  // namespace

void quantize_token(const float* x, std::size_t row, float outliers,
                    const TokenRows& out) noexcept {
  const CodePlace place = place_of(out, row);
  std::uint32_t* const words =
      out.outliers == nullptr ? nullptr : out.outliers + row * (out.k / 32);
  if (words != nullptr) std::fill_n(words, out.k / 32, 0u);
  const auto code_at = [&](std::size_t i) -> std::int8_t& {
    return place.first[i / kTokenInputs * place.step + i % kTokenInputs];
  };
  const std::size_t padded = (out.k + kTokenInputs - 1) / kTokenInputs * kTokenInputs;
  for (std::size_t i = 0; i < padded; ++i) code_at(i) = 0;
  std::uint32_t largest = 0, kept = 0;
  const auto taken_out = [&](float value) {
    return words != nullptr && magnitude_bits(value) >= std::bit_cast<std::uint32_t>(outliers);
  };
  for (std::size_t i = 0; i < out.k; ++i) {
    largest = std::max(largest, magnitude_bits(x[i]));
    if (!taken_out(x[i])) kept = std::max(kept, magnitude_bits(x[i]));
  }
  out.sums[row] = 0;
  out.scales[row] = std::numeric_limits<float>::quiet_NaN();
  if (largest >= kInfinityBits) return;
  const float max = std::bit_cast<float>(kept);
  out.scales[row] = max / 127.0f;
  for (std::size_t i = 0; i < out.k; ++i) {
    if (taken_out(x[i])) {
      words[i / 32] |= 1u << (i % 32);
    } else {
      code_at(i) = static_cast<std::int8_t>(round_to_even(x[i] * inverse_of(max)));
      out.sums[row] += code_at(i);
    }
  }
}

}  // namespace halfbyte::reference
