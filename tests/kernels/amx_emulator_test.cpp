// The AMX emulator of the tests: every way to name an operand, configurations, threads, and what
// must end the program. On hardware with AMX it is that which is tested.
#include "support/amx_emulator.h"

#include <gtest/gtest.h>

#if defined(__x86_64__) && defined(__linux__)
#include <algorithm>
#include <atomic>
#include <csignal>
#include <cstring>
#include <functional>
#include <string>
#include <thread>
#include <vector>

#include <sys/mman.h>

#include "amx_case.h"
#include "amx_instructions.h"

namespace halfbyte::test {
namespace {

using AmxEmulatorTest = AmxTest;
using AmxEmulatorDeathTest = AmxTest;

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
