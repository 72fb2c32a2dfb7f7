// Metadata: typed look-ups and setters.
#include "formats/metadata.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "support.h"

namespace halfbyte {
namespace {

using test::error_of;
using test::outcome_of;
using testing::HasSubstr;

TEST(Metadata, AbsentKeysAreNoError) {
  const Metadata meta;
  EXPECT_FALSE(meta.get_uint("x") || meta.get_int("x") || meta.get_number("x"));
  EXPECT_FALSE(meta.get_bool("x") || meta.get_string("x") || meta.get_array("x"));
  EXPECT_TRUE(meta.get_strings("x").empty() && meta.get_ints("x").empty());
}

TEST(Metadata, AnyIntegerServesAsAnInteger) {
  Metadata meta;
  meta.set_i32("i", 5);
  meta.set_u32("u", 6);
  EXPECT_EQ(meta.get_uint("i"), 5u);
  EXPECT_EQ(meta.get_int("u"), 6);
  EXPECT_EQ(meta.get_number("u"), 6.0);
}

TEST(Metadata, WrongKindsNameFileKeyAndFoundType) {
  Metadata meta;
  meta.file = "model.gguf";
  meta.set_string("name", "x");
  const auto error = error_of([&] { meta.get_uint("name"); });
  ASSERT_TRUE(error);
  EXPECT_EQ(error->code(), ErrorCode::kMalformed);
  EXPECT_THAT(error->what(), HasSubstr("model.gguf: 'name' should be an integer"));
  EXPECT_THAT(error->what(), HasSubstr("is string"));
}

TEST(Metadata, ValuesThatDoNotFitAreMalformed) {
  Metadata meta;
  meta.set_i32("negative", -1);
  meta.set_u64("huge", UINT64_MAX);
  meta.set_bool("flag", true);
  meta.set_f32s("floats", {1});
  EXPECT_EQ(outcome_of([&] { meta.get_uint("negative"); }), "malformed");
  EXPECT_EQ(outcome_of([&] { meta.get_int("huge"); }), "malformed");
  EXPECT_EQ(outcome_of([&] { meta.get_uint("flag"); }), "malformed");
  EXPECT_EQ(outcome_of([&] { meta.get_bool("huge"); }), "malformed");
  EXPECT_EQ(outcome_of([&] { meta.get_ints("floats"); }), "malformed");
  EXPECT_EQ(outcome_of([&] { meta.get_strings("floats"); }), "malformed");
  EXPECT_EQ(outcome_of([&] { meta.get_array("flag"); }), "malformed");
}

TEST(Metadata, SettingReplacesAndErasingKeepsTheOthers) {
  Metadata meta;
  meta.set_u32("a", 1);
  meta.set_u32("b", 2);
  meta.set_u32("c", 3);
  meta.set_string("b", "two");
  EXPECT_EQ(meta.get_string("b"), "two");
  meta.erase("a");
  meta.erase("nothing");
  EXPECT_EQ(meta.entries().size(), 2u);
  EXPECT_EQ(meta.get_string("b"), "two");
  EXPECT_EQ(meta.get_uint("c"), 3u);
}

TEST(Metadata, CopiesOwnWhatSettersCopied) {
  Metadata copy;
  {
    Metadata meta;
    meta.set_string("s", std::string(100, 'x'));
    meta.set_strings("list", {"first", "second"});
    copy = meta;
    Metadata other;
    other.set("t", *meta.find("s"));
    EXPECT_EQ(other.get_string("t")->size(), 100u);
  }
  EXPECT_EQ(copy.get_string("s"), std::string(100, 'x'));
  EXPECT_THAT(copy.get_strings("list"), testing::ElementsAre("first", "second"));
}

}  // namespace
}  // namespace halfbyte
