// Scalar linear kernels: for each panel and block, decode the 16 outputs' weights once, then add
// their products with every row. Sums over inputs (f32) or groups (int8) are in ascending order.
#include "kernels/reference/linear.h"

#include <algorithm>
#include <cstring>

#include "kernels/packed.h"

namespace halfbyte {
namespace {

struct DecodedBlock {
  std::uint8_t codes[kMaxBlock * kPanel];
  float scales[kMaxGroups * kPanel];
  float mins[kMaxGroups * kPanel];
};

// sums[o] += one block's outliers of row `m`: `next` is the first of them.
void add_outliers(const PackedFormat& format, const DecodedBlock& block, std::size_t first,
                  const Outlier*& next, float sums[kPanel]) {
  for (; next->input < first + format.block; ++next) {
    const std::size_t i = next->input - first;
    const std::size_t group = i / format.group * kPanel;
    for (std::size_t o = 0; o < kPanel; ++o) {
      const int code = block.codes[i / 4 * kPanel * 4 + 4 * o + i % 4] - format.offset;
      float weight = static_cast<float>(code) * block.scales[group + o];
      if (format.has_min) weight -= block.mins[group + o];
      sums[o] += weight * next->value;
    }
  }
}

// sums[o] += one block's part of row `m`, whose inputs start at `first`.
void add_block(const PackedFormat& format, const DecodedBlock& block, const QuantizedRows& x,
               std::size_t m, std::size_t first, float sums[kPanel]) {
  const std::size_t groups = format.block / format.group;
  const QuantizedRow row = quantized_row(x, m);
  for (std::size_t g = 0; g < groups; ++g) {
    const std::size_t input = first + g * format.group;
    const float scale = row.scales[input / 32 * row.stride];
    const std::int32_t* sum16 = row.sums + input / 16 * row.stride;
    const std::int32_t sum = format.group == 32 ? sum16[0] + sum16[row.stride] : sum16[0];
    std::int32_t dots[kPanel];
    for (std::int32_t& dot : dots) dot = -format.offset * sum;
    for (std::size_t i = 0; i < format.group; ++i) {
      const std::uint8_t* step = block.codes + (g * format.group + i) / 4 * kPanel * 4 + i % 4;
      const std::int8_t code = row.codes[(input + i) / 4 * 4 * row.stride + i % 4];
      for (std::size_t o = 0; o < kPanel; ++o) dots[o] += code * step[4 * o];
    }
    for (std::size_t o = 0; o < kPanel; ++o) {
      sums[o] += static_cast<float>(dots[o]) * (block.scales[g * kPanel + o] * scale);
      if (format.has_min) {
        sums[o] -= block.mins[g * kPanel + o] * (static_cast<float>(sum) * scale);
      }
    }
  }
}

// The outputs of a panel that exist.
std::size_t panel_outputs(const PackedMatrix& w, std::uint64_t panel) {
  return std::min<std::uint64_t>(kPanel, w.n - panel * kPanel);
}

void store(const PackedMatrix& w, std::uint64_t panel, const float* sums, std::size_t m,
           const LinearOutput& out) {
  std::copy_n(sums, panel_outputs(w, panel), out.y + m * out.stride + panel * kPanel);
}

// Rows are done in runs whose sums fit on the stack.
constexpr std::size_t kRun = 64;

}  // namespace

void reference_linear_int8(const PackedMatrix& w, std::uint64_t begin, std::uint64_t end,
                           const QuantizedRows& x, const LinearOutput& out,
                           std::byte* /*scratch*/) noexcept {
  const PackedFormat& format = *find_packed_format(w.dtype);
  DecodedBlock decoded;
  for (std::uint64_t p = begin; p < end; ++p) {
    for (std::size_t first_row = 0; first_row < x.rows; first_row += kRun) {
      const std::size_t rows = std::min(kRun, x.rows - first_row);
      float sums[kRun][kPanel] = {};
      const Outlier* outliers[kRun];
      for (std::size_t r = 0; r < rows; ++r) outliers[r] = quantized_row(x, first_row + r).outliers;
      for (std::size_t i = 0; i < w.k; i += format.block) {
        decode_codes(format, w.panel(p), i / format.block, 0, kPanel, decoded.codes, decoded.scales,
                     decoded.mins);
        for (std::size_t r = 0; r < rows; ++r) {
          add_block(format, decoded, x, first_row + r, i, sums[r]);
          add_outliers(format, decoded, i, outliers[r], sums[r]);
        }
      }
      for (std::size_t r = 0; r < rows; ++r) store(w, p, sums[r], first_row + r, out);
    }
  }
}

void reference_linear_f32(const PackedMatrix& w, std::uint64_t begin, std::uint64_t end,
                          const float* x, std::size_t x_stride, std::size_t rows,
                          const LinearOutput& out, std::byte* /*scratch*/) noexcept {
  const PackedFormat& format = *find_packed_format(w.dtype);
  float weights[kMaxBlock * kPanel];
  for (std::uint64_t p = begin; p < end; ++p) {
    for (std::size_t first_row = 0; first_row < rows; first_row += kRun) {
      const std::size_t run = std::min(kRun, rows - first_row);
      float sums[kRun][kPanel] = {};
      for (std::size_t i = 0; i < w.k; i += format.block) {
        decode_block(format, w.panel(p), i / format.block, 0, kPanel, weights);
        for (std::size_t r = 0; r < run; ++r) {
          const float* row = x + (first_row + r) * x_stride + i;
          for (std::size_t j = 0; j < format.block; ++j) {
            for (std::size_t o = 0; o < kPanel; ++o) {
              sums[r][o] += weights[j * kPanel + o] * row[j];
            }
          }
        }
      }
      for (std::size_t r = 0; r < run; ++r) store(w, p, sums[r], first_row + r, out);
    }
  }
}

}  // namespace halfbyte
