// w8a8 and int8: a row is an f32 scale and a signed byte an element, x = scale * q.
//
// The scale is max|x| / 127 (absmax, symmetric), as in SmoothQuant's and LLM.int8()'s weights;
// other writers' codes may reach -128. A row with an infinity or a NaN gets scale NaN and codes 0.
#include "tensor/blocks/row_int8.h"

#include <algorithm>
#include <limits>

#include "tensor/blocks/block.h"
#include "tensor/blocks/codecs.h"
#include "tensor/blocks/rounding.h"

namespace halfbyte::blocks {

namespace {

constexpr int kMost = 127;

}  // namespace

float row_scale_int8(const float* x, const float* /*importance*/, std::size_t n) {
  std::int32_t peak = 0;
  for (std::size_t i = 0; i < n; ++i) peak = std::max(peak, magnitude_bits(x[i]));
  if (peak >= kInfinityBits) return std::numeric_limits<float>::quiet_NaN();
  return std::bit_cast<float>(peak) / static_cast<float>(kMost);
}

void fit_row_int8(const float* /*x*/, const float* /*importance*/, GridBlock& block) {
  block.scale[0] = block.row;
}

void project_row_int8(const float* /*scale*/, const float* /*min*/, const float* /*weights*/,
                      GridBlock& block) {
  block.scale[0] = block.row;
}

void pack_row_int8(const GridBlock& /*block*/, const std::uint8_t* codes, std::byte* dst) {
  for (std::size_t i = 0; i < kBlock; ++i) dst[i] = static_cast<std::byte>(codes[i] - kMost);
}

void decode_row_int8(const std::byte* src, float* dst, std::size_t n) {
  const auto* row = reinterpret_cast<const std::uint8_t*>(src);
  const auto scale = load<float>(row);
  for (std::size_t i = 0; i < n; ++i) {
    dst[i] = scale * static_cast<float>(static_cast<std::int8_t>(row[sizeof(float) + i]));
  }
}

void encode_row_int8(const float* src, std::byte* dst, std::size_t n) {
  auto* row = reinterpret_cast<std::uint8_t*>(dst);
  const float scale = row_scale_int8(src, nullptr, n);
  const bool finite = !std::isnan(scale);
  const float inverse = finite ? inverse_or_zero(scale) : 0.0f;
  store(row, scale);
  for (std::size_t i = 0; i < n; ++i) {
    const std::int32_t code = finite ? round_away(src[i] * inverse) : 0;
    row[sizeof(float) + i] = static_cast<std::uint8_t>(std::clamp(code, -kMost, kMost));
  }
}

}  // namespace halfbyte::blocks
