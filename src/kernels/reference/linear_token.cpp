// The scalar kernel of types with one scale a row, against inputs with one scale a row.
#include <algorithm>
#include <cmath>

#include "kernels/packed.h"
#include "kernels/reference/linear.h"

namespace halfbyte {
namespace {

// A panel's codes as they are meant, from one block of inputs.
struct Block {
  std::uint8_t codes[kMaxBlock * kPanel];
  float scales[kMaxGroups * kPanel];
  float mins[kMaxGroups * kPanel];

  std::int32_t code(const PackedFormat& format, std::size_t i, std::size_t o) const {
    return codes[(i / 4 * kPanel + o) * 4 + i % 4] - format.offset;
  }
};

const std::int8_t* codes_at(const TokenRows& x, std::size_t row, std::size_t input) {
  const std::size_t first = row / kTokenRows * kTokenRows;
  const std::size_t height = std::min(kTokenRows, x.rows - first);
  const std::size_t steps = (x.k + kTokenInputs - 1) / kTokenInputs;
  return x.codes + (first * steps + input / kTokenInputs * height + row - first) * kTokenInputs +
         input % kTokenInputs;
}

bool is_outlier(const TokenRows& x, std::size_t row, std::size_t input) {
  if (x.outliers == nullptr) return false;
  return (x.outliers[row * (x.k / 32) + input / 32] >> (input % 32) & 1u) != 0;
}

struct Sums {
  std::int32_t integers[kPanel] = {};
  float outliers[kPanel] = {};
};

void add_block(const PackedFormat& format, const Block& block, const TokenRows& x, std::size_t row,
               std::size_t first, Sums& sums) {
  for (std::size_t i = 0; i < format.block; ++i) {
    const std::int32_t input = *codes_at(x, row, first + i);
    for (std::size_t o = 0; o < kPanel; ++o) sums.integers[o] += input * block.code(format, i, o);
    if (!is_outlier(x, row, first + i)) continue;
    const float outlier = x.x[row * x.x_stride + first + i];
    for (std::size_t o = 0; o < kPanel; ++o) {
      const auto code = static_cast<float>(block.code(format, i, o));
      sums.outliers[o] = std::fma(code, outlier, sums.outliers[o]);
    }
  }
}

bool has_outliers(const TokenRows& x, std::size_t row) {
  if (x.outliers == nullptr) return false;
  const std::uint32_t* words = x.outliers + row * (x.k / 32);
  return std::any_of(words, words + x.k / 32, [](std::uint32_t word) { return word != 0; });
}

void panel_times_row(const PackedFormat& format, const PackedMatrix& w, std::uint64_t panel,
                     const TokenRows& x, std::size_t row, float* y) {
  Block block;
  Sums sums;
  for (std::size_t i = 0; i < w.k; i += format.block) {
    decode_codes(format, w.panel(panel), i / format.block, 0, kPanel, block.codes, block.scales,
                 block.mins);
    add_block(format, block, x, row, i, sums);
  }
  const bool outliers = has_outliers(x, row);
  for (std::size_t o = 0; o < std::min(kPanel, w.n - panel * kPanel); ++o) {
    y[o] = static_cast<float>(sums.integers[o]) * (block.scales[o] * x.scales[row]);
    if (outliers) y[o] = std::fma(block.scales[o], sums.outliers[o], y[o]);
  }
}

}  // namespace

void reference_linear_token(const PackedMatrix& w, std::uint64_t begin, std::uint64_t end,
                            const TokenRows& x, const LinearOutput& out,
                            std::byte* /*scratch*/) noexcept {
  const PackedFormat& format = *find_packed_format(w.dtype);
  for (std::uint64_t p = begin; p < end; ++p) {
    for (std::size_t row = 0; row < x.rows; ++row) {
      panel_times_row(format, w, p, x, row, out.y + row * out.stride + p * kPanel);
    }
  }
}

}  // namespace halfbyte
