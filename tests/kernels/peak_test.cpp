// Peak loops do as many operations as their rows say, and read everything.
#include "kernels/peak.h"

#include <cstring>
#include <random>
#include <set>
#include <string>

#include <gtest/gtest.h>

#include "kernels/registry.h"
#include "support/amx_emulator.h"

namespace halfbyte {
namespace {

constexpr std::size_t kBytes = 5 * 4096;

struct alignas(64) Words {
  std::uint64_t values[kBytes / 8];
};

TEST(PeakTest, CountsAndReadsWhatItSays) {
  std::mt19937_64 random(1);
  static Words words;
  std::uint64_t all = 0;
  for (std::uint64_t& word : words.values) all ^= word = random();
  std::set<std::string_view> names;
  for (const IsaRows* isa : all_isas()) {
    for (const PeakKernel& kernel : isa->peaks) {
      EXPECT_TRUE(names.insert(kernel.name).second) << kernel.name;
      EXPECT_TRUE(kernel.name.starts_with(std::string(isa->name) + ".")) << kernel.name;
      EXPECT_EQ(kernel.kind == PeakKind::read, kernel.read != nullptr) << kernel.name;
      EXPECT_NE(kernel.read == nullptr, kernel.multiply == nullptr) << kernel.name;
      if (!test::features_to_test().includes(kernel.needs)) continue;
      if (kernel.read != nullptr) {
        const auto* const data = reinterpret_cast<const std::byte*>(words.values);
        for (const bool far : {false, true}) {
          EXPECT_EQ(kernel.read(data, kBytes, far), all) << kernel.name;
        }
      } else {
        EXPECT_EQ(kernel.multiply(1000, 1), 1000 * kernel.operations / 2) << kernel.name;
        EXPECT_EQ(kernel.multiply(0, 1), 0) << kernel.name;
      }
    }
  }
}

TEST(PeakTest, EveryCpuHasTheKindsThatModelsNeed) {
  for (const PeakKind kind : {PeakKind::f32, PeakKind::int8, PeakKind::read}) {
    EXPECT_NE(select_peak(kind, {}), nullptr);
    EXPECT_TRUE(select_peak(kind, {})->needs == CpuFeatures{});
  }
  EXPECT_EQ(select_peak(PeakKind::bf16, {}), nullptr);
}

}  // namespace
}  // namespace halfbyte
