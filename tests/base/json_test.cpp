// JSON of untrusted files: syntax, duplicates, depth, size.
#include "base/json.h"

#include <string>

#include "base/support.h"

namespace halfbyte {
namespace {

std::string nested(std::size_t depth, std::string_view open, std::string_view close) {
  std::string text;
  for (std::size_t i = 0; i < depth; ++i) text += open;
  for (std::size_t i = 0; i < depth; ++i) text += close;
  return text;
}

void expect_malformed(std::string_view text) {
  const auto error = test::error_of([&] { parse_json(text, "c.json"); });
  ASSERT_TRUE(error) << text;
  EXPECT_EQ(error->code(), ErrorCode::kMalformed) << text;
  EXPECT_EQ(error->file(), "c.json");
}

TEST(Json, KeepsTheOrderOfKeys) {
  EXPECT_EQ(parse_json(R"({"b": 1, "a": [true, null, "x"]})", "f").dump(),
            R"({"b":1,"a":[true,null,"x"]})");
}

TEST(Json, BadSyntax) {
  for (const char* text : {"", " ", "{", "[1,]", "{\"a\" 1}", "nul", "1 2", "{} x", "'a'",
                           "\"\xff\"", "\"\\ud800\"", "[NaN]"}) {
    expect_malformed(text);
  }
}

TEST(Json, ErrorNamesTheByte) {
  EXPECT_EQ(test::error_of([] { parse_json("[1, x]", "f"); })->offset(), 4u);
}

TEST(Json, NumberOutOfRange) {
  expect_malformed("[1e999]");
  expect_malformed("-1e400");
}

TEST(Json, KeyTwiceInOneObject) {
  expect_malformed(R"({"a": 1, "a": 2})");
  expect_malformed(R"({"x": {"a": 1, "b": 2, "a": 3}})");
  expect_malformed(R"({"a": 1, "\u0061": 2})");
  expect_malformed(R"({"a": {"a": 1}, "a": 2})");
}

TEST(Json, SameKeyInSeveralObjects) {
  EXPECT_EQ(parse_json(R"({"a": {"a": [{"a": 1}, {"a": 2}]}, "b": {"a": 3}})", "f").size(), 2u);
}

TEST(Json, Depth) {
  EXPECT_TRUE(parse_json(nested(64, "[", "]"), "f").is_array());
  expect_malformed(nested(65, "[", "]"));
  expect_malformed(nested(65, "{\"a\":[", "]}"));
  expect_malformed(std::string(1000000, '['));
}

TEST(Json, File) {
  const test::TemporaryFolder folder;
  test::put(folder / "a.json", R"({"a": 1})");
  EXPECT_EQ(read_json_file(folder / "a.json").at("a"), 1);
  EXPECT_EQ(test::error_of([&] { read_json_file(folder / "a.json", 7); })->code(),
            ErrorCode::kMalformed);
  EXPECT_EQ(test::error_of([&] { read_json_file(folder / "b.json"); })->code(), ErrorCode::kFailed);
}

}  // namespace
}  // namespace halfbyte
