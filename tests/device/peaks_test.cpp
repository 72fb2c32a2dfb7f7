// Measured peaks: every row that runs here gives a rate, and sizes are chosen by level.
#include "device/peaks.h"

#include <cmath>

#include <gtest/gtest.h>

namespace halfbyte {
namespace {

TEST(PeaksTest, EveryRowThatRunsHereGivesARate) {
  ThreadPool pool(2);
  for (const IsaRows* isa : all_isas()) {
    for (const PeakKernel& kernel : isa->peaks) {
      if (!detect_cpu_features().includes(kernel.needs)) continue;
      const double rate = kernel.read != nullptr ? measure_read(kernel, 4096, pool, 0.01)
                                                 : measure_multiply(kernel, pool, 0.01);
      EXPECT_TRUE(std::isfinite(rate)) << kernel.name;
      EXPECT_GT(rate, 1e7) << kernel.name;  // any processor does one in 100 ns
    }
  }
}

TEST(PeaksTest, WorkingSetsFitTheirLevelAndNotTheOneBelow) {
  const CacheSizes caches = {32u << 10, 1u << 20, 32u << 20};
  for (const std::size_t threads : {1u, 2u, 7u}) {
    const auto set = [&](MemoryLevel level) { return working_set(level, caches, threads); };
    EXPECT_LE(set(MemoryLevel::l1), caches.l1);
    EXPECT_GT(set(MemoryLevel::l2), caches.l1);
    EXPECT_LE(set(MemoryLevel::l2), caches.l2);
    EXPECT_GT(set(MemoryLevel::l3), caches.l2);
    EXPECT_LE(set(MemoryLevel::l3) * threads, caches.l3);
    EXPECT_GT(set(MemoryLevel::memory) * threads, 2 * caches.l3);
    for (const MemoryLevel level : {MemoryLevel::l1, MemoryLevel::l2, MemoryLevel::l3}) {
      EXPECT_EQ(set(level) % kReadUnit, 0u);
    }
  }
  EXPECT_GE(working_set(MemoryLevel::l3, {1024, 1024, 1024}, 64), kReadUnit);
}

TEST(PeaksTest, ALevelIsWhereTheBytesFit) {
  const CacheSizes caches = {32u << 10, 1u << 20, 32u << 20};
  EXPECT_EQ(level_of(32u << 20, caches), MemoryLevel::l3);
  EXPECT_EQ(level_of((32u << 20) + 1, caches), MemoryLevel::memory);
}

}  // namespace
}  // namespace halfbyte
