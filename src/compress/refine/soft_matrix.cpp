#include "compress/refine/soft_matrix.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <functional>

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

std::uint8_t code_of_level(const Grid& grid, float level) {
  return nearest_level(grid, level);
}

StartBlock read_block(const Grid& grid, const std::byte* encoded) {
  const PackedFormat& format = *find_packed_format(grid.dtype);
  std::array<const std::byte*, kPanel> rows;
  rows.fill(encoded);
  std::vector<std::byte> packed(format.block_bytes);
  format.pack(rows.data(), packed.data(), 1);
  std::vector<std::uint8_t> codes(kMaxBlock * kPanel);
  std::array<float, kMaxGroups * kPanel> scales{};
  std::array<float, kMaxGroups * kPanel> mins{};
  decode_codes(format, packed.data(), 0, 1, codes.data(), scales.data(), mins.data());
  // Levels of types with a zero point begin at 0, packed ones around it.
  const auto low = format.sub_scale == SubScale::zero ? static_cast<float>(format.offset) : 0.0f;
  StartBlock block;
  for (std::size_t g = 0; g < grid.groups(); ++g) {
    const std::size_t from = g * grid.group / format.group * kPanel;
    block.scale[g] = scales[from];
    block.min[g] = mins[from] + scales[from] * low;
  }
  for (std::size_t i = 0; i < grid.block; ++i) {
    const int level = codes[i / 4 * kPanel * 4 + i % 4] - format.offset;
    block.codes[i] = code_of_level(grid, static_cast<float>(level) + low);
  }
  return block;
}

// Where a level v lies among the grid's, counted in codes.
float code_place(const Grid& grid, float v) {
  if (grid.uniform) return v - grid.levels[0];
  const float* const end = grid.levels + grid.codes - 1;
  const float* const above = std::clamp(std::upper_bound(grid.levels, end, v), grid.levels + 1, end);
  const float low = above[-1];
  return static_cast<float>(above - grid.levels - 1) + (v - low) / (*above - low);
}

}  // namespace

struct SoftMatrix::Place {
  float level;    // where the weight lies, unrounded
  float at;       // in codes, shifted
  std::uint8_t code;
  bool inside;  // of the range of codes
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
  for (std::size_t g = 0; g < grid_.groups(); ++g) {
    scales_[block * grid_.groups() + g] = from.scale[g];
    mins_[block * grid_.groups() + g] = from.min[g];
  }
  const GridBlock now = scales(block);
  for (std::size_t i = 0; i < grid_.block; ++i) {
    const std::size_t element = block * grid_.block + i;
    const float at = place(now, i / grid_.group, element).at;
    const auto top = static_cast<float>(grid_.codes - 1);
    const float kept = std::min(std::max(at, 0.0f), top);
    const float miss = static_cast<float>(from.codes[i]) - kept;
    const float far = std::fabs(miss) - (0.5f - kMargin);
    shifts_[element] = far > 0.0f ? kept - at + std::copysign(far, miss) : 0.0f;
  }
}

GridBlock SoftMatrix::scales(std::size_t block) const {
  GridBlock scales;
  const std::size_t first = block * grid_.groups();
  grid_.project(&scales_[first], &mins_[first], nullptr, scales);
  return scales;
}

SoftMatrix::Place SoftMatrix::place(const GridBlock& scales, std::size_t group,
                                    std::size_t element) const {
  const float scale = scales.scale[group];
  Place place;
  place.level = scale != 0.0f ? (weights_[element] + scales.min[group]) / scale : 0.0f;
  place.at = code_place(grid_, place.level) + shifts_[element];
  const auto top = static_cast<float>(grid_.codes - 1);
  place.inside = place.at > -0.5f && place.at < top + 0.5f;
  place.code = nearest_integer_code(place.at, 0.0f, top);
  return place;
}

void SoftMatrix::realize(std::size_t block) {
  const GridBlock now = scales(block);
  for (std::size_t i = 0; i < grid_.block; ++i) {
    const std::size_t group = i / grid_.group;
    const std::size_t element = block * grid_.block + i;
    const std::uint8_t code = place(now, group, element).code;
    values_[element] = now.scale[group] * grid_.levels[code] - now.min[group];
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
  const GridBlock now = scales(block);
  for (std::size_t g = 0; g < grid_.groups(); ++g) {
    float scale_slope = 0.0f;
    float min_slope = 0.0f;
    const float forward = sign(now.scale[g]);
    const std::size_t first = block * grid_.block + g * grid_.group;
    for (std::size_t i = first; i < first + grid_.group; ++i) {
      const Place at = place(now, g, i);
      const float d = gradient_[i];
      const float inside = at.inside ? 1.0f : 0.0f;
      scale_slope += d * (grid_.levels[at.code] - inside * at.level);
      min_slope -= d * (1.0f - inside);
      shifts_[i] -= inside * rates.shift * forward * sign(d);
    }
    const std::size_t group = block * grid_.groups() + g;
    const float step = rates.scale * std::fabs(scales_[group]);
    scales_[group] -= step * sign(scale_slope);
    if (grid_.levels[0] == 0.0f) mins_[group] -= step * sign(min_slope);
  }
}

void SoftMatrix::encode(std::span<std::byte> rows) const {
  const std::size_t bytes = info(grid_.dtype).block_bytes;
  for_blocks([&](std::size_t block) {
    const GridBlock now = scales(block);
    std::array<std::uint8_t, kMaxBlock> codes;
    for (std::size_t i = 0; i < grid_.block; ++i) {
      codes[i] = place(now, i / grid_.group, block * grid_.block + i).code;
    }
    grid_.pack(now, codes.data(), &rows[block * bytes]);
  });
}

}  // namespace halfbyte
