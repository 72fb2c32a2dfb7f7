// Sizes as people write them.
#include "cli/sizes.h"

#include <gtest/gtest.h>

#include "base/error.h"

namespace halfbyte {
namespace {

TEST(ParseBytes, ReadsUnits) {
  EXPECT_EQ(parse_bytes("12345"), 12345u);
  EXPECT_EQ(parse_bytes("80MB"), 80'000'000u);
  EXPECT_EQ(parse_bytes("1.5 GB"), 1'500'000'000u);
  EXPECT_EQ(parse_bytes("700MiB"), 700u * 1024u * 1024u);
  EXPECT_EQ(parse_bytes("2kb"), 2000u);
}

TEST(ParseBytes, RefusesTheRest) {
  for (const char* text :
       {"", "MB", "0", "-1GB", "0.5", "80 M B", "80Mb/s", "nan", "inf", "1e30"}) {
    EXPECT_THROW(parse_bytes(text), Error) << text;
  }
}

}  // namespace
}  // namespace halfbyte
