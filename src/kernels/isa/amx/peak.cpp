// Peak loops: TDPBSSD and TDPBF16PS on four tiles of sums, from tiles of ones.
#include "kernels/isa/amx/peak.h"

#include <cstring>

#include <immintrin.h>

#include "kernels/generic/compiler.h"

namespace halfbyte {
namespace {

#include "kernels/isa/amx/config.inl"

constexpr std::size_t kSums = 16 * 16;  // of a tile
constexpr std::size_t kTileBytes = 64;  // a row
constexpr double kTiles = 4;

// Runs `step` so often and adds up all sums.
template <typename Element, typename Step>
HALFBYTE_INLINE double run(std::uint64_t iterations, const void* ones, const Step& step) {
  const TileConfig config;
  TileConfig::order_memory();
  _tile_zero(0);
  _tile_zero(1);
  _tile_zero(2);
  _tile_zero(3);
  _tile_loadd(4, ones, kTileBytes);
  _tile_loadd(5, ones, kTileBytes);
  _tile_loadd(6, ones, kTileBytes);
  _tile_loadd(7, ones, kTileBytes);
  for (std::uint64_t i = 0; i < iterations; ++i) step();
  Element sums[4][kSums];
  _tile_stored(0, sums[0], kTileBytes);
  _tile_stored(1, sums[1], kTileBytes);
  _tile_stored(2, sums[2], kTileBytes);
  _tile_stored(3, sums[3], kTileBytes);
  TileConfig::order_memory();
  double total = 0.0;
  for (const auto& tile : sums) {
    for (const Element sum : tile) total += static_cast<double>(sum);
  }
  return total;
}

double multiply_int8(std::uint64_t iterations, std::int8_t one) noexcept {
  alignas(64) std::int8_t ones[16 * kTileBytes];
  std::memset(ones, one, sizeof(ones));
  return run<std::int32_t>(iterations, ones, []() HALFBYTE_INLINE_LAMBDA {
    _tile_dpbssd(0, 4, 6);
    _tile_dpbssd(1, 4, 7);
    _tile_dpbssd(2, 5, 6);
    _tile_dpbssd(3, 5, 7);
  });
}

double multiply_bf16(std::uint64_t iterations, std::int8_t one) noexcept {
  const float wide = static_cast<float>(one);
  std::uint32_t bits = 0;
  std::memcpy(&bits, &wide, sizeof(bits));
  alignas(64) std::uint16_t ones[16 * kTileBytes / 2];
  for (std::uint16_t& word : ones) word = static_cast<std::uint16_t>(bits >> 16);
  return run<float>(iterations, ones, []() HALFBYTE_INLINE_LAMBDA {
    _tile_dpbf16ps(0, 4, 6);
    _tile_dpbf16ps(1, 4, 7);
    _tile_dpbf16ps(2, 5, 6);
    _tile_dpbf16ps(3, 5, 7);
  });
}

constexpr PeakRow kPeaks[] = {
    {"amx.peak_int8", PeakKind::int8, kTiles* kSums * 64 * 2, multiply_int8, nullptr},
    {"amx.peak_bf16", PeakKind::bf16, kTiles* kSums * 32 * 2, multiply_bf16, nullptr},
};

}  // namespace

PeakRows amx_peak_rows() {
  return {kPeaks, sizeof(kPeaks) / sizeof(kPeaks[0])};
}

}  // namespace halfbyte
