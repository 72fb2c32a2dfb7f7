// Cache sizes from a description as Linux gives it.
#include "device/caches.h"

#include <gtest/gtest.h>

#include "support/files.h"

namespace halfbyte {
namespace {

class CachesTest : public testing::Test {
 protected:
  void cache(int index, const std::string& level, const std::string& type,
             const std::string& size) {
    const std::string name = "index" + std::to_string(index);
    folder_.put(name + "/level", level + "\n");
    folder_.put(name + "/type", type + "\n");
    folder_.put(name + "/size", size + "\n");
  }
  CacheSizes sizes() const { return read_cache_sizes(folder_ / ""); }

  test::TemporaryFolder folder_;
};

TEST_F(CachesTest, TakesDataCachesOfEachLevel) {
  cache(0, "1", "Data", "48K");
  cache(1, "1", "Instruction", "32K");
  cache(2, "2", "Unified", "2048K");
  cache(3, "3", "Unified", "30M");
  EXPECT_EQ(sizes().l1, 48u << 10);
  EXPECT_EQ(sizes().l2, 2u << 20);
  EXPECT_EQ(sizes().l3, 30u << 20);
}

TEST_F(CachesTest, WithoutAnL3TheL2IsTheLast) {
  cache(0, "1", "Data", "32K");
  cache(1, "2", "Unified", "512K");
  EXPECT_EQ(sizes().l2, 512u << 10);
  EXPECT_EQ(sizes().l3, 512u << 10);
}

TEST_F(CachesTest, NonsenseLeavesTheDefaults) {
  for (const char* size : {"", "0K", "K", "-5K", "12Q", "99999999999999999999K"}) {
    cache(0, "1", "Data", size);
    EXPECT_EQ(sizes().l1, CacheSizes{}.l1) << size;
  }
  EXPECT_EQ(read_cache_sizes(folder_ / "none").l3, CacheSizes{}.l3);
}

}  // namespace
}  // namespace halfbyte
