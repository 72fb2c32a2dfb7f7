// The AMX emulator of the tests against plain loops: what the instructions compute, every way to
// name an operand, threads, and what must end the program. On hardware with AMX it is that which is
// tested.
#include "support/amx_emulator.h"

#include <gtest/gtest.h>

#if defined(__x86_64__) && defined(__linux__)
#include <algorithm>
#include <array>
#include <atomic>
#include <bit>
#include <cfenv>
#include <cmath>
#include <cstring>
#include <functional>
#include <initializer_list>
#include <random>
#include <string>
#include <thread>
#include <vector>

#include <signal.h>
#include <sys/mman.h>

#include "amx_instructions.h"

namespace halfbyte::test {
namespace {

using Bytes = std::vector<std::uint8_t>;
constexpr std::size_t kTileBytes = 1024;

class AmxEmulatorTest : public testing::Test {
 protected:
  void SetUp() override {
    if (!install_amx_emulator()) GTEST_SKIP() << "neither AMX nor an emulator";
    amx_tilerelease();
  }
};
using AmxEmulatorDeathTest = AmxEmulatorTest;

Bytes random_bytes(std::size_t size, unsigned seed) {
  std::mt19937 random(seed);
  Bytes bytes(size);
  for (std::uint8_t& byte : bytes) byte = static_cast<std::uint8_t>(random());
  return bytes;
}

struct Shape {
  int rows, colsb;
};
AmxConfig config_of(std::initializer_list<Shape> shapes) {
  AmxConfig config;
  int tile = 0;
  for (const Shape shape : shapes) {
    config.rows[tile] = static_cast<std::uint8_t>(shape.rows);
    config.colsb[tile++] = static_cast<std::uint16_t>(shape.colsb);
  }
  return config;
}
AmxConfig full_tiles() {
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
Bytes product(const Matrices& in, Sizes sizes, AmxDot dot, std::array<int, 3> tiles,
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

void expect_products(const Matrices& in, Sizes sizes, AmxDot dot, const Bytes& expected) {
  const auto name = testing::Message() << "instruction " << static_cast<int>(dot) << ", " << sizes.m
                                       << " x " << sizes.n << " x " << sizes.k;
  EXPECT_EQ(product(in, sizes, dot, {0, 1, 2}, amx_dot_012), expected) << name;
  EXPECT_EQ(product(in, sizes, dot, {7, 6, 5}, amx_dot_765), expected) << name;
  EXPECT_EQ(product(in, sizes, dot, {3, 5, 4}, amx_dot_354), expected) << name;
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

void expect_int8(const Matrices& in, Sizes sizes) {
  expect_products(in, sizes, AmxDot::ssd, int8_reference<std::int8_t, std::int8_t>(in, sizes));
  expect_products(in, sizes, AmxDot::sud, int8_reference<std::int8_t, std::uint8_t>(in, sizes));
  expect_products(in, sizes, AmxDot::usd, int8_reference<std::uint8_t, std::int8_t>(in, sizes));
  expect_products(in, sizes, AmxDot::uud, int8_reference<std::uint8_t, std::uint8_t>(in, sizes));
}

TEST_F(AmxEmulatorTest, Int8ProductsOfAllSigns) {
  for (const Sizes sizes : kSizes) expect_int8({}, sizes);
}

TEST_F(AmxEmulatorTest, Int8SumsWrapAround) {
  Matrices in;
  for (Bytes* matrix : {&in.a, &in.b}) std::fill(matrix->begin(), matrix->end(), 0x80);
  for (const std::int32_t start : {0x7FFFFFFF, -0x7FFFFFFF - 1, 0}) {
    for (int i = 0; i < 16 * kStride; i += 4) std::memcpy(in.c.data() + i, &start, 4);
    expect_int8(in, {16, 16, 16});
  }
}

// bf16, the rules of the manual by the hardware's own (or the C library's) fused multiply-add.

float flushed(float value) {
  return std::fpclassify(value) == FP_SUBNORMAL ? std::copysign(0.0f, value) : value;
}
float bf16_at(const Bytes& data, int row, int index) {
  const std::uint32_t bits = element<std::uint16_t>(data, row, kStride, index);
  return flushed(std::bit_cast<float>(bits << 16));
}

Bytes bf16_reference(const Matrices& in, Sizes sizes) {
  Bytes out = in.c;
  for (int m = 0; m < sizes.m; ++m) {
    for (int n = 0; n < sizes.n; ++n) {
      float sums[2] = {0, 0};
      for (int k = 0; k < 2 * sizes.k; ++k) {
        float& sum = sums[k % 2];
        sum = flushed(std::fma(bf16_at(in.a, m, k), bf16_at(in.b, k / 2, 2 * n + k % 2), sum));
      }
      const float c = flushed(element<float>(in.c, m, kStride, n));
      const float sum = flushed(c + flushed(sums[0] + sums[1]));
      std::memcpy(out.data() + m * kStride + 4 * n, &sum, 4);
    }
  }
  return out;
}

// Random signs and mantissas, and exponents between the given powers of two. The seed changes all.
Matrices random_bf16(int low, int high, unsigned seed) {
  std::mt19937 random(seed);
  const auto top_half = [&] {
    const auto exponent =
        static_cast<unsigned>(std::uniform_int_distribution(low, high)(random) + 127);
    return static_cast<std::uint16_t>((random() & 0x8000u) | (exponent << 7) | (random() & 0x7Fu));
  };
  Matrices in;
  for (Bytes* matrix : {&in.a, &in.b, &in.c}) {
    for (std::size_t i = 0; i < matrix->size(); i += 2) {
      const std::uint16_t half =
          matrix == &in.c && i % 4 == 0 ? static_cast<std::uint16_t>(random()) : top_half();
      std::memcpy(matrix->data() + i, &half, 2);
    }
  }
  return in;
}

TEST_F(AmxEmulatorTest, Bf16Products) {
  for (const Sizes sizes : kSizes) {
    const Matrices in = random_bf16(-4, 4, 1);
    expect_products(in, sizes, AmxDot::bf16, bf16_reference(in, sizes));
  }
}

// Exponents far apart: sums round, cancel, and end in or below the denormals (-127 is one).
TEST_F(AmxEmulatorTest, Bf16RoundsOnceAndFlushesDenormals) {
  const std::array<int, 2> ranges[] = {{-20, 20}, {-68, -58}, {-127, -40}, {-127, 0}, {55, 62}};
  for (const auto [low, high] : ranges) {
    for (unsigned seed = 0; seed < 4; ++seed) {
      const Matrices in = random_bf16(low, high, seed);
      expect_products(in, {16, 16, 16}, AmxDot::bf16, bf16_reference(in, {16, 16, 16}));
    }
  }
}

// One product of pairs: c + (a0 * b0 + a1 * b1), in bits.
std::uint32_t one_bf16(std::uint32_t c, std::uint32_t a, std::uint32_t b) {
  amx_ldtilecfg(config_of({{1, 4}, {1, 4}, {1, 4}}));
  amx_tileloadd(0, &c, 0);
  amx_tileloadd(1, &a, 0);
  amx_tileloadd(2, &b, 0);
  amx_dot_012(AmxDot::bf16);
  amx_tilestored(0, &c, 0);
  return c;
}

TEST_F(AmxEmulatorTest, Bf16EdgeCases) {
  constexpr std::uint32_t kOne = 0x3F80, kInfinity = 0x7F80, kTwoPow64 = 0x5F80,
                          kTwoPowMinus63 = 0x2000;
  EXPECT_EQ(one_bf16(0, kOne | kOne << 16, kOne), 0x3F800000u);
  EXPECT_EQ(one_bf16(0x00400000, 0, 0), 0u) << "a denormal sum counts as 0";
  EXPECT_EQ(one_bf16(0, 0x0040, kTwoPow64), 0u) << "a denormal factor counts as 0";
  EXPECT_EQ(one_bf16(0, kTwoPowMinus63, kTwoPowMinus63), 0x00800000u) << "the least normal number";
  EXPECT_EQ(one_bf16(0, kTwoPowMinus63, kTwoPowMinus63 - 0x80), 0u) << "half of it";
  EXPECT_EQ(one_bf16(0, kTwoPow64, kTwoPow64), 0x7F800000u) << "overflow";
  EXPECT_EQ(one_bf16(0, kInfinity, 0xBF80), 0xFF800000u);
  EXPECT_TRUE(std::isnan(std::bit_cast<float>(one_bf16(0, kInfinity, 0))));
  EXPECT_TRUE(std::isnan(std::bit_cast<float>(one_bf16(0xFF800000, kInfinity, kOne))));
  // Even and odd are added to each other before they meet c: 2^-24 twice is not lost against 1.
  constexpr std::uint32_t kTwoPowMinus24 = 0x3380;
  EXPECT_EQ(one_bf16(0x3F800000, kTwoPowMinus24 * 0x10001u, kOne * 0x10001u), 0x3F800001u);
}

TEST_F(AmxEmulatorTest, Bf16IgnoresTheRoundingModeAndKeepsIt) {
  const Matrices in = random_bf16(-4, 4, 9);
  const Bytes expected = bf16_reference(in, {16, 16, 16});
  ASSERT_EQ(std::fesetround(FE_UPWARD), 0);
  const Bytes out = product(in, {16, 16, 16}, AmxDot::bf16, {0, 1, 2}, amx_dot_012);
  EXPECT_EQ(std::fegetround(), FE_UPWARD);
  std::fesetround(FE_TONEAREST);
  EXPECT_EQ(out, expected);
}

TEST_F(AmxEmulatorTest, LoadsAndStoresTakeStrides) {
  const Bytes in = random_bytes(16 * 256, 4);
  amx_ldtilecfg(config_of({{9, 20}, {16, 64}}));
  for (const std::ptrdiff_t stride : {0, 20, 64, 200, -100}) {
    const std::ptrdiff_t first = stride < 0 ? -stride * 8 : 0;
    amx_tileloadd(0, in.data() + first, stride);
    Bytes out(9 * 32, 0xEE);
    amx_tilestored(0, out.data(), 32);
    for (std::ptrdiff_t row = 0; row < 9; ++row) {
      for (std::ptrdiff_t column = 0; column < 32; ++column) {
        const auto at = static_cast<std::size_t>(first + row * stride + column);
        EXPECT_EQ(out[static_cast<std::size_t>(row * 32 + column)], column < 20 ? in[at] : 0xEE);
      }
    }
  }
  const Bytes tight(8 * 100 + 64 - 44, 1);  // nothing beyond the tile is touched
  amx_tileloadd(0, tight.data(), 100);
}

TEST_F(AmxEmulatorTest, EveryTileIsItsOwn) {
  amx_ldtilecfg(full_tiles());
  for (int tile = 0; tile < 8; ++tile) {
    amx_tileloadd(tile, random_bytes(kTileBytes, 10u + static_cast<unsigned>(tile)).data(), 64);
  }
  amx_tilezero(6);
  for (int tile = 0; tile < 8; ++tile) {
    Bytes out(kTileBytes);
    amx_tilestored(tile, out.data(), 64);
    const Bytes loaded = random_bytes(kTileBytes, 10u + static_cast<unsigned>(tile));
    EXPECT_EQ(out, tile == 6 ? Bytes(kTileBytes) : loaded) << tile;
  }
}

TEST_F(AmxEmulatorTest, ConfigurationsAreKeptAndZeroTiles) {
  AmxConfig stored = full_tiles();
  amx_sttilecfg(stored);
  AmxConfig none;
  none.palette = 0;
  EXPECT_EQ(stored, none) << "after tilerelease";

  const AmxConfig config = config_of({{16, 64}, {1, 4}, {7, 60}, {16, 64}});
  amx_ldtilecfg(config);
  amx_sttilecfg(stored);
  EXPECT_EQ(stored, config);
  Bytes tile = random_bytes(kTileBytes, 5);
  amx_tileloadd(3, tile.data(), 64);
  amx_ldtilecfg(config);
  amx_tilestored(3, tile.data(), 64);
  EXPECT_EQ(tile, Bytes(kTileBytes)) << "ldtilecfg zeroes the tiles";

  amx_ldtilecfg(none);
  amx_sttilecfg(stored);
  EXPECT_EQ(stored, none) << "palette 0 releases";
}

TEST_F(AmxEmulatorTest, RowsAndColumnsBeyondAShapeAreZero) {
  if (!amx_needs_emulation()) GTEST_SKIP() << "only the emulator could show them";
  // A product writes whole rows: what is beyond the shape of its sum must not come from the others.
  Matrices in;
  const Bytes out = product(in, {3, 2, 4}, AmxDot::uud, {0, 1, 2}, amx_dot_012);
  EXPECT_TRUE(std::equal(out.begin() + 3 * kStride, out.end(), in.c.begin() + 3 * kStride));
}

TEST_F(AmxEmulatorTest, OperandsWithEveryBaseIndexScaleAndDisplacement) {
  const Bytes in = random_bytes(16384, 6);
  amx_ldtilecfg(config_of({{}, {}, {}, {5, 64}}));
  for (int base = 0; base < kAmxRegisters; ++base) {
    for (int index = 0; index < kAmxRegisters; ++index) {
      for (int addressing = 0; addressing < kAmxAddressingCount; ++addressing) {
        if (base == index) continue;  // both would be the base
        const auto [scale, displacement] = kAmxAddressings[addressing];
        const std::ptrdiff_t stride = 9;
        Bytes out(kTileBytes, 0xEE);
        amx_load_store(base, index, addressing)(in.data() + 256, stride, out.data());
        Bytes expected(kTileBytes, 0xEE);
        for (int row = 0; row < 5; ++row) {
          std::memcpy(&expected[64u * static_cast<unsigned>(row)],
                      in.data() + 256 + displacement + row * stride * scale, 64);
        }
        ASSERT_EQ(out, expected) << "base " << base << ", index " << index << ", scale " << scale;
      }
    }
  }
}

TEST_F(AmxEmulatorTest, ConfigurationsWithEveryBase) {
  const AmxConfig config = config_of({{16, 64}, {1, 4}, {7, 60}, {16, 64}});
  std::vector<AmxConfig> in(200), out(200);
  for (int base = 1; base < kAmxRegisters; ++base) {
    for (int addressing = 0; addressing < kAmxAddressingCount; ++addressing) {
      for (const bool indexed : {false, true}) {
        const auto [scale, displacement] = kAmxAddressings[addressing];
        const std::ptrdiff_t index = 24, offset = displacement + (indexed ? index * scale : 0);
        std::fill(in.begin(), in.end(), AmxConfig{.palette = 9});
        std::fill(out.begin(), out.end(), AmxConfig{});
        in[100] = config;
        amx_config_copy(base, addressing, indexed)(reinterpret_cast<char*>(&in[100]) - offset,
                                                   index, &out[100]);
        ASSERT_EQ(out[100], config) << "base " << base << ", scale " << scale;
        out[100] = {};
        ASSERT_EQ(std::count(out.begin(), out.end(), AmxConfig{}), 200);
      }
    }
  }
}

TEST_F(AmxEmulatorTest, OperandsOfRareForms) {
  const Bytes in = random_bytes(kTileBytes, 7);
  Bytes out(kTileBytes);
  amx_ldtilecfg(full_tiles());
  amx_through_stack(in.data(), out.data());
  EXPECT_EQ(out, in);

  const Bytes one_row = random_bytes(32 + 64, 8);
  amx_load_without_index(one_row.data());
  amx_tilestored(3, out.data(), 64);
  for (int row = 0; row < 16; ++row) {
    EXPECT_TRUE(
        std::equal(out.begin() + 64 * row, out.begin() + 64 * row + 64, one_row.begin() + 32));
  }

  void* const low = ::mmap(reinterpret_cast<void*>(kAmxLowAddress), 4096, PROT_READ | PROT_WRITE,
                           MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1, 0);
  if (low == reinterpret_cast<void*>(kAmxLowAddress)) {
    std::memcpy(low, in.data(), in.size());
    amx_load_without_base(64);
    amx_tilestored(3, out.data(), 64);
    EXPECT_EQ(out, in);
    ::munmap(low, 4096);
  }

  AmxConfig stored;
  amx_rip_relative(&stored);
  EXPECT_EQ(stored, kAmxRipRelative);
}

TEST_F(AmxEmulatorTest, ThreadsHaveTheirOwnTiles) {
  const Matrices in;
  std::vector<std::thread> threads;
  std::atomic<int> wrong = 0;
  for (const Sizes sizes : kSizes) {
    threads.emplace_back([&in, &wrong, sizes] {
      AmxConfig fresh;
      amx_sttilecfg(fresh);
      wrong += fresh.palette;
      const Bytes expected = int8_reference<std::uint8_t, std::int8_t>(in, sizes);
      for (int i = 0; i < 50; ++i) {
        wrong += product(in, sizes, AmxDot::usd, {0, 1, 2}, amx_dot_012) != expected ? 1 : 0;
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(wrong, 0);
}

// What ends the program.

void expect_killed(void (*work)(), const std::string& message) {
  EXPECT_EXIT(work(), testing::KilledBySignal(SIGILL),
              amx_needs_emulation() ? testing::ContainsRegex(message) : testing::ContainsRegex(""));
}

TEST_F(AmxEmulatorDeathTest, IllegalInstructionsStillKill) {
  expect_killed(undefined_instruction, "bytes 0f 0b");
  expect_killed(unknown_vex_instruction, "bytes c4 e2 7b 5c ff 90");
  EXPECT_EXIT(::raise(SIGILL), testing::KilledBySignal(SIGILL), "");
}

void expect_violation(const std::function<void()>& work, const std::string& message) {
  if (!amx_needs_emulation()) {
    EXPECT_DEATH(work(), "");
    return;
  }
  EXPECT_EXIT(work(), testing::KilledBySignal(SIGABRT), message);
}

TEST_F(AmxEmulatorDeathTest, WrongConfigurations) {
  const auto refused = [](void (*spoil)(AmxConfig&), const std::string& message) {
    AmxConfig config = full_tiles();
    spoil(config);
    expect_violation([&] { amx_ldtilecfg(config); }, message);
  };
  refused([](AmxConfig& config) { config.palette = 2; },
          "ldtilecfg: palette .*#GP.*bytes c4 e2 78 49");
  refused([](AmxConfig& config) { config.reserved[13] = 1; }, "reserved byte");
  refused([](AmxConfig& config) { config.rows[7] = 17; }, "tile 7: more than 16 rows");
  refused([](AmxConfig& config) { config.colsb[2] = 68; }, "tile 2: more than 64 bytes");
  refused([](AmxConfig& config) { config.colsb[3] = 0; }, "tile 3: rows or bytes a row 0");
  refused([](AmxConfig& config) { config.rows[3] = 0; }, "tile 3: rows or bytes a row 0");
  refused([](AmxConfig& config) { config.colsb[8] = 4; }, "more than 8 tiles");
}

TEST_F(AmxEmulatorDeathTest, WrongTiles) {
  Bytes data(kTileBytes);
  expect_violation([] { amx_tilezero(0); }, "tilezero: no configuration");
  expect_violation([&] { amx_tileloadd(0, data.data(), 64); }, "tileloadd: no configuration");
  amx_ldtilecfg(config_of({{16, 64}, {16, 64}, {16, 6}}));
  expect_violation([&] { amx_tileloaddt1(5, data.data(), 64); }, "tileloaddt1: tile 5: not conf");
  expect_violation([&] { amx_tilestored(2, data.data(), 64); },
                   "tile 2: bytes a row not a multiple");
}

TEST_F(AmxEmulatorDeathTest, WrongProducts) {
  const auto refused = [](Shape c, Shape a, Shape b, const std::string& message) {
    amx_ldtilecfg(config_of({c, a, b}));
    expect_violation([] { amx_dot_012(AmxDot::usd); }, "tdpbusd: " + message);
    expect_violation([] { amx_dot_012(AmxDot::bf16); }, "tdpbf16ps: " + message);
  };
  refused({16, 64}, {15, 64}, {16, 64}, "rows of sum and first");
  refused({16, 60}, {16, 64}, {16, 64}, "bytes a row of sum and second");
  refused({16, 64}, {16, 64}, {15, 64}, "bytes a row of first");
  refused({16, 64}, {16, 64}, {}, "tile 2: not configured");
  refused({16, 6}, {16, 64}, {16, 6}, "tile 0: bytes a row not a multiple");
  amx_ldtilecfg(full_tiles());
  expect_violation([] { amx_dot_354(AmxDot::ssd), amx_dot_011(); }, "tdpbssd: the same tile twice");
}

}  // namespace
}  // namespace halfbyte::test

#endif
