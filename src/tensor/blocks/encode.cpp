#include "tensor/blocks/encode.h"

#include <algorithm>
#include <array>
#include <cmath>

#include "base/half.h"
#include "tensor/blocks/grid_fit.h"
#include "tensor/blocks/weights.h"

namespace halfbyte::blocks {

namespace {

using Elements = std::array<float, kMaxBlock>;
constexpr std::size_t kSmall = 32;
constexpr std::size_t kSmallQuad = kSmall * kLanes;

void store_codes(const Lanes* codes, std::size_t n, std::uint8_t* at) {
  for (std::size_t i = 0; i < n; ++i) {
    for (std::size_t lane = 0; lane < kLanes; ++lane) {
      at[lane * n + i] = static_cast<std::uint8_t>(codes[i][lane]);
    }
  }
}

// Four groups that follow each other.
FoundScales search_quad(SearchGroups search, const float* x, const float* w, std::size_t n,
                        std::uint8_t* codes) {
  std::array<Lanes, kMaxGroup> lanes_x;
  std::array<Lanes, kMaxGroup> lanes_w;
  std::array<Lanes, kMaxGroup> lanes_codes;
  interleave(x, n, n, lanes_x.data());
  interleave(w, n, n, lanes_w.data());
  const FoundScales found = search({lanes_x.data(), lanes_w.data(), n}, lanes_codes.data());
  store_codes(lanes_codes.data(), n, codes);
  return found;
}

// The largest value becomes the highest integer.
void divide_by_largest(const float* values, std::size_t n, int top, std::uint16_t& d,
                       std::uint8_t* s) {
  float max = 0.0f;
  for (std::size_t i = 0; i < n; ++i) max = values[i] > max ? values[i] : max;
  const float inverse = max > 0.0f ? static_cast<float>(top) / max : 0.0f;
  for (std::size_t i = 0; i < n; ++i) {
    const auto byte = static_cast<std::uint8_t>(nearest_integer(inverse * values[i]));
    s[i] = std::min(byte, static_cast<std::uint8_t>(top));
  }
  d = float_to_half(max / static_cast<float>(top));
}

}  // namespace

float peak_of(const float* values, std::size_t n) {
  float peak = 0.0f;
  for (std::size_t i = 0; i < n; ++i) {
    if (std::fabs(values[i]) > std::fabs(peak)) peak = values[i];
  }
  return peak;
}

void weigh_superblock(const BlockShape& shape, float squares, const float* x,
                      const float* importance, float* w) {
  if (importance == nullptr) {
    weigh_by_size(shape, x, w);
    return;
  }
  const float variance = squares * sum_of_squares(x, kMaxBlock) / static_cast<float>(kMaxBlock);
  weigh_by_importance(x, importance, variance, kMaxBlock, w);
}

void search_superblock(const BlockShape& shape, SearchGroups search, const float* x, const float* w,
                       Draft& draft) {
  for (std::size_t g = 0; g < shape.groups; g += kLanes) {
    const std::size_t start = g * shape.group;
    const FoundScales found =
        search_quad(search, x + start, w + start, shape.group, draft.codes + start);
    store_lanes(&draft.block.scale[g], found.scale);
    store_lanes(&draft.block.min[g], found.min);
  }
}

void code_again(const BlockShape& shape, const float* x, Draft& draft) {
  for (std::size_t g = 0; g < shape.groups; ++g) {
    const float scale = draft.block.scale[g];
    if (scale == 0.0f) continue;
    for (std::size_t i = g * shape.group; i < (g + 1) * shape.group; i += kLanes) {
      const Lanes level = round_any((load_lanes(x + i) + draft.block.min[g]) / scale);
      const Lanes code = clamp(level, splat(shape.low), splat(shape.high)) - shape.low;
      for (std::size_t lane = 0; lane < kLanes; ++lane) {
        draft.codes[i + lane] = static_cast<std::uint8_t>(code[lane]);
      }
    }
  }
}

void encode_affine(const AffineEncoder& encoder, const float* x, const float* importance,
                   Draft& draft) {
  const BlockShape& shape = encoder.shape;
  GridBlock& block = draft.block;
  Elements w;
  weigh_superblock(shape, encoder.squares, x, importance, w.data());
  if (importance == nullptr) {
    search_superblock(shape, encoder.search, x, w.data(), draft);
    divide_by_largest(block.scale.data(), shape.groups, shape.sub.high, block.d,
                      block.sub_scale.data());
    divide_by_largest(block.min.data(), shape.groups, shape.sub.high, block.dmin,
                      block.sub_min.data());
  } else {
    search_superblock(shape, encoder.weighted_search, x, w.data(), draft);
    std::array<float, kMaxGroups> sums;
    sum_groups(shape, w.data(), sums.data());
    block.d = float_to_half(search_sub_scales(block.scale.data(), sums.data(), shape.groups,
                                              shape.sub.high, block.sub_scale.data()));
    block.dmin = float_to_half(search_sub_scales(block.min.data(), sums.data(), shape.groups,
                                                 shape.sub.high, block.sub_min.data()));
  }
  expand(shape, block);
  code_again(shape, x, draft);
}

namespace {

void weigh_small(const SmallEncoder& encoder, const float* x, const float* importance,
                 float row_variance, float* w) {
  if (importance == nullptr) {
    weigh_by_size(encoder.shape, x, w);
    return;
  }
  const float variance = encoder.row_variance ? row_variance : twice_mean_square(x, kSmall);
  weigh_by_importance(x, importance, variance, kSmall, w);
}

// `count` blocks, up to four.
void encode_small_quad(const SmallEncoder& encoder, const float* x, const float* w,
                       std::size_t count, std::byte* dst) {
  std::array<std::uint8_t, kSmallQuad> codes;
  const FoundScales found = search_quad(encoder.search, x, w, kSmall, codes.data());
  for (std::size_t lane = 0; lane < count; ++lane) {
    GridBlock block;
    block.d = float_to_half(found.scale[lane]);
    block.dmin = float_to_half(-found.min[lane]);
    encoder.pack(block, &codes[lane * kSmall], dst + lane * encoder.bytes);
  }
}

}  // namespace

void encode_small(const SmallEncoder& encoder, const float* src, const float* importance,
                  std::byte* dst, std::size_t n) {
  const float row_variance =
      encoder.row_variance ? sum_of_squares(src, n) / static_cast<float>(n) : 0.0f;
  std::array<float, kSmallQuad> x{};
  std::array<float, kSmallQuad> w{};
  for (std::size_t i = 0; i < n; i += kSmallQuad, dst += kLanes * encoder.bytes) {
    const std::size_t count = std::min(kLanes, (n - i) / kSmall);
    for (std::size_t b = 0; b < count; ++b) {
      const std::size_t at = i + b * kSmall;
      weigh_small(encoder, src + at, importance != nullptr ? importance + at : nullptr,
                  row_variance, &w[b * kSmall]);
    }
    std::copy_n(src + i, count * kSmall, x.begin());
    encode_small_quad(encoder, x.data(), w.data(), count, dst);
  }
}

}  // namespace halfbyte::blocks
