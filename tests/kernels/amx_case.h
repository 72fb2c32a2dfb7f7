// What tests of the AMX emulator share: shapes, random tiles, and a product in tiles with its
// reference.
#pragma once

#include <array>
#include <cstdint>
#include <cstring>
#include <initializer_list>
#include <random>
#include <vector>

#include <gtest/gtest.h>

#include "amx_instructions.h"
#include "support/amx_emulator.h"

namespace halfbyte::test {

using Bytes = std::vector<std::uint8_t>;
constexpr std::size_t kTileBytes = 1024;

class AmxTest : public testing::Test {
 protected:
  void SetUp() override {
    if (!install_amx_emulator()) GTEST_SKIP() << "neither AMX nor an emulator";
    amx_tilerelease();
  }
};

inline Bytes random_bytes(std::size_t size, unsigned seed) {
  std::mt19937 random(seed);
  Bytes bytes(size);
  for (std::uint8_t& byte : bytes) byte = static_cast<std::uint8_t>(random());
  return bytes;
}

struct Shape {
  int rows, colsb;
};
inline AmxConfig config_of(std::initializer_list<Shape> shapes) {
  AmxConfig config;
  int tile = 0;
  for (const Shape shape : shapes) {
    config.rows[tile] = static_cast<std::uint8_t>(shape.rows);
    config.colsb[tile++] = static_cast<std::uint16_t>(shape.colsb);
  }
  return config;
}
inline AmxConfig full_tiles() {
  return config_of(
      {{16, 64}, {16, 64}, {16, 64}, {16, 64}, {16, 64}, {16, 64}, {16, 64}, {16, 64}});
}

// Sizes of a product: c[m][n] += a[m][k] * b[k][n], in elements of 4 bytes.
struct Sizes {
  int m, n, k;
};
constexpr Sizes kSizes[] = {{16, 16, 16}, {1, 1, 1},   {16, 3, 16}, {5, 16, 7},
                            {16, 16, 1},  {2, 15, 16}, {11, 9, 13}};

template <class T>
T element(const Bytes& data, int row, int stride, int index) {
  T value;
  std::memcpy(&value, data.data() + row * stride + index * static_cast<int>(sizeof(T)), sizeof(T));
  return value;
}

// Random tiles with rows `kStride` apart.
constexpr int kStride = 80;
struct Matrices {
  Bytes a = random_bytes(16 * kStride, 1), b = random_bytes(16 * kStride, 2),
        c = random_bytes(16 * kStride, 3);
};

// c after the product, in tiles given by number, of which b is loaded by tileloaddt1.
inline Bytes product(const Matrices& in, Sizes sizes, AmxDot dot, std::array<int, 3> tiles,
                     void (*run)(AmxDot)) {
  AmxConfig config;
  const auto set = [&](int tile, int rows, int columns) {
    config.rows[tile] = static_cast<std::uint8_t>(rows);
    config.colsb[tile] = static_cast<std::uint16_t>(4 * columns);
  };
  set(tiles[0], sizes.m, sizes.n);
  set(tiles[1], sizes.m, sizes.k);
  set(tiles[2], sizes.k, sizes.n);
  amx_ldtilecfg(config);
  amx_tileloadd(tiles[0], in.c.data(), kStride);
  amx_tileloadd(tiles[1], in.a.data(), kStride);
  amx_tileloaddt1(tiles[2], in.b.data(), kStride);
  run(dot);
  Bytes out = in.c;  // what is outside the tile must stay
  amx_tilestored(tiles[0], out.data(), kStride);
  amx_tilerelease();
  return out;
}

template <class A, class B>
Bytes int8_reference(const Matrices& in, Sizes sizes) {
  Bytes out = in.c;
  for (int m = 0; m < sizes.m; ++m) {
    for (int n = 0; n < sizes.n; ++n) {
      std::int64_t sum = element<std::int32_t>(in.c, m, kStride, n);
      for (int k = 0; k < 4 * sizes.k; ++k) {
        sum += std::int64_t{element<A>(in.a, m, kStride, k)} *
               element<B>(in.b, k / 4, kStride, 4 * n + k % 4);
      }
      const auto wrapped = static_cast<std::uint32_t>(sum);
      std::memcpy(out.data() + m * kStride + 4 * n, &wrapped, 4);
    }
  }
  return out;
}

}  // namespace halfbyte::test
