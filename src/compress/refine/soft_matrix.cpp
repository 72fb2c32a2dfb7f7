#include "compress/refine/soft_matrix.h"

#include <algorithm>
#include <array>
#include <cmath>

#include "kernels/packed.h"

namespace halfbyte {

namespace {

constexpr std::size_t kBlocksAtOnce = 16;
// A code that a method has chosen against the nearest one lies so far inside its range, in levels.
constexpr float kMargin = 0.05f;

// One encoded block as floats and codes of its grid.
struct StartBlock {
  std::array<float, kMaxGroups> scale;
  std::array<float, kMaxGroups> min;
  std::array<std::uint8_t, kMaxBlock> codes;
};

StartBlock read_block(const Grid& grid, const std::byte* encoded) {
  const PackedFormat& format = *find_packed_format(grid.dtype);
  std::array<const std::byte*, kPanel> rows;
  rows.fill(encoded);
  std::vector<std::byte> packed(format.block_bytes);
  format.pack(rows.data(), packed.data(), 1);
  std::vector<std::uint8_t> codes(kMaxBlock * kPanel);
  std::array<float, kMaxGroups * kPanel> scales{};
  std::array<float, kMaxGroups * kPanel> mins{};
  decode_codes(format, packed.data(), 0, 0, 1, codes.data(), scales.data(), mins.data());
  // Levels of types with a zero point begin at 0, packed ones around it.
  const bool from_zero = format.sub_scale == SubScale::zero && grid.levels[0] == 0.0f;
  const auto low = from_zero ? static_cast<float>(format.offset) : 0.0f;
  StartBlock block;
  for (std::size_t g = 0; g < grid.groups(); ++g) {
    const std::size_t from = g * grid.group / format.group * kPanel;
    block.scale[g] = scales[from];
    block.min[g] = mins[from] + scales[from] * low;
  }
  for (std::size_t i = 0; i < grid.block; ++i) {
    const int level = codes[i / 4 * kPanel * 4 + i % 4] - format.offset;
    block.codes[i] = nearest_level(grid, static_cast<float>(level) + low);
  }
  return block;
}

// Where a level v lies among the grid's, counted in codes.
float code_place(const Grid& grid, float v) {
  if (grid.uniform) return v - grid.levels[0];
  const float* const end = grid.levels + grid.codes - 1;
  const float* const above =
      std::clamp(std::upper_bound(grid.levels, end, v), grid.levels + 1, end);
  const float low = above[-1];
  return static_cast<float>(above - grid.levels - 1) + (v - low) / (*above - low);
}

}  // namespace

// A block as it is now, element by element.
struct SoftMatrix::Rounded {
  GridBlock scales;
  std::array<float, kMaxBlock> levels;  // where the weights lie, unrounded
  std::array<float, kMaxBlock> places;  // the same in codes, shifted
  std::array<float, kMaxBlock> inside;  // of the range of codes: 1, else 0
  std::array<std::uint8_t, kMaxBlock> codes;
};

SoftMatrix::SoftMatrix(const Grid& grid, std::size_t n, std::size_t k, const float* weights,
                       const std::byte* encoded, ThreadPool& pool)
    : grid_(grid),
      blocks_(n * k / grid.block),
      weights_(weights),
      pool_(pool),
      shifts_(n * k),
      scales_(n * k / grid.group),
      mins_(scales_.size()),
      values_(n * k),
      gradient_(n * k) {
  for_blocks([&](std::size_t block) {
    start(block, encoded);
    realize(block);
  });
}

void SoftMatrix::for_blocks(const std::function<void(std::size_t block)>& work) const {
  pool_.parallel_for(blocks_, kBlocksAtOnce, [&](std::size_t begin, std::size_t end) {
    for (std::size_t block = begin; block < end; ++block) work(block);
  });
}

// A shift of 0 where the code is the nearest one; otherwise the least that gives it.
void SoftMatrix::start(std::size_t block, const std::byte* encoded) {
  const StartBlock from = read_block(grid_, encoded + block * info(grid_.dtype).block_bytes);
  std::copy_n(from.scale.begin(), grid_.groups(), &scales_[block * grid_.groups()]);
  std::copy_n(from.min.begin(), grid_.groups(), &mins_[block * grid_.groups()]);
  Rounded now;
  round(block, now);
  const auto top = static_cast<float>(grid_.codes - 1);
  for (std::size_t i = 0; i < grid_.block; ++i) {
    const float at = now.places[i];
    const float kept = std::min(std::max(at, 0.0f), top);
    const float miss = static_cast<float>(from.codes[i]) - kept;
    const float far = std::fabs(miss) - (0.5f - kMargin);
    const float shift = far > 0.0f ? kept - at + std::copysign(far, miss) : 0.0f;
    shifts_[block * grid_.block + i] = shift;
  }
}

void SoftMatrix::round(std::size_t block, Rounded& rounded) const {
  const std::size_t first_group = block * grid_.groups();
  grid_.project(&scales_[first_group], &mins_[first_group], nullptr, rounded.scales);
  const float* const weights = weights_ + block * grid_.block;
  const std::size_t size = grid_.group;
  for (std::size_t g = 0; g < grid_.groups(); ++g) {
    const float scale = rounded.scales.scale[g];
    const float inverse = scale != 0.0f ? 1.0f / scale : 0.0f;
    const float min = rounded.scales.min[g];
    for (std::size_t i = g * size; i < (g + 1) * size; ++i) {
      rounded.levels[i] = (weights[i] + min) * inverse;
    }
  }
  const float* const shifts = &shifts_[block * grid_.block];
  const auto top = static_cast<float>(grid_.codes - 1);
  const float low = grid_.levels[0];
  for (std::size_t i = 0; i < grid_.block; ++i) {
    const float level = rounded.levels[i];
    rounded.places[i] = (grid_.uniform ? level - low : code_place(grid_, level)) + shifts[i];
  }
  for (std::size_t i = 0; i < grid_.block; ++i) {
    const float place = rounded.places[i];
    rounded.inside[i] = place > -0.5f && place < top + 0.5f ? 1.0f : 0.0f;
    rounded.codes[i] = nearest_integer_code(place, 0.0f, top);
  }
}

void SoftMatrix::realize(std::size_t block) {
  Rounded now;
  round(block, now);
  float* const values = &values_[block * grid_.block];
  for (std::size_t g = 0; g < grid_.groups(); ++g) {
    const float scale = now.scales.scale[g];
    const float min = now.scales.min[g];
    for (std::size_t i = g * grid_.group; i < (g + 1) * grid_.group; ++i) {
      values[i] = scale * grid_.levels[now.codes[i]] - min;
    }
  }
}

void SoftMatrix::step(SoftRates rates) {
  for_blocks([&](std::size_t block) {
    step_block(block, rates);
    realize(block);
  });
}

namespace {

float sign(float v) {
  return static_cast<float>(v > 0.0f) - static_cast<float>(v < 0.0f);
}

}  // namespace

void SoftMatrix::step_block(std::size_t block, SoftRates rates) {
  Rounded now;
  round(block, now);
  const float* const d = &gradient_[block * grid_.block];
  float* const shifts = &shifts_[block * grid_.block];
  for (std::size_t g = 0; g < grid_.groups(); ++g) {
    float scale_slope = 0.0f;
    float min_slope = 0.0f;
    const float step = rates.shift * sign(now.scales.scale[g]);
    for (std::size_t i = g * grid_.group; i < (g + 1) * grid_.group; ++i) {
      scale_slope += d[i] * (grid_.levels[now.codes[i]] - now.inside[i] * now.levels[i]);
      min_slope -= d[i] * (1.0f - now.inside[i]);
      shifts[i] -= now.inside[i] * step * sign(d[i]);
    }
    const std::size_t group = block * grid_.groups() + g;
    if (grid_.by_row()) continue;  // one scale for all blocks: it stays
    const float change = rates.scale * std::fabs(scales_[group]);
    scales_[group] -= change * sign(scale_slope);
    if (grid_.levels[0] == 0.0f) mins_[group] -= change * sign(min_slope);
  }
}

void SoftMatrix::encode(std::span<std::byte> rows) const {
  const std::size_t bytes = info(grid_.dtype).block_bytes;
  for_blocks([&](std::size_t block) {
    Rounded now;
    round(block, now);
    grid_.pack(now.scales, now.codes.data(), &rows[block * bytes]);
  });
}

}  // namespace halfbyte
