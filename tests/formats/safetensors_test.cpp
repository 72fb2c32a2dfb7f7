// safetensors: what the reference library writes is read, and what we write is read back the same.
#include "formats/safetensors.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "support.h"

namespace halfbyte {
namespace {

using test::data_path;
using test::error_of;
using test::outcome_of;
using test::safetensors_image;
using test::TemporaryFolder;
using testing::HasSubstr;

const TensorView& named(const std::vector<TensorView>& tensors, std::string_view name) {
  return *std::find_if(tensors.begin(), tensors.end(),
                       [&](const TensorView& tensor) { return tensor.name == name; });
}

TEST(Safetensors, ReadsTheReferenceWriter) {
  const SafetensorsFile file = SafetensorsFile::open(data_path("python.safetensors"));
  ASSERT_EQ(file.tensors().size(), 5u);
  EXPECT_EQ(file.metadata().at("format"), "np");
  const TensorView& ramp = named(file.tensors(), "ramp");
  EXPECT_EQ(ramp.shape, (Shape{3, 4}));
  float last = 0;
  std::memcpy(&last, ramp.data.data() + 44, 4);
  EXPECT_EQ(last, 11.0f);
  EXPECT_EQ(named(file.tensors(), "ids").dtype, DType::i64);
  EXPECT_EQ(named(file.tensors(), "half").dtype, DType::f16);
  EXPECT_EQ(named(file.tensors(), "scalar").shape, Shape{});
  EXPECT_EQ(named(file.tensors(), "scalar").data.size(), 4u);
  EXPECT_TRUE(named(file.tensors(), "empty").data.empty());
}

TEST(Safetensors, HeaderMayBeInAnyOrderEscapedAndSpaced) {
  const std::string image = safetensors_image(
      "{ \"b\\u00e9\\ud83d\\ude00\" : { \"data_offsets\":[ 4 , 8 ],\t\"shape\" : [1],"
      "\"dtype\":\"F32\"},\n\"a\":{\"dtype\":\"I8\",\"shape\":[2,2],\"data_offsets\":[0,4]}}   ",
      "abcdefgh");
  const SafetensorsImage read = parse_safetensors(as_bytes(image), "f");
  ASSERT_EQ(read.tensors.size(), 2u);
  EXPECT_EQ(read.tensors[0].name, "a");  // in the order of the data
  EXPECT_EQ(read.tensors[1].name, "b\u00e9\U0001F600");
  EXPECT_EQ(as_text(read.tensors[1].data), "efgh");
}

TEST(Safetensors, NoTensorsIsFine) {
  const std::string image = safetensors_image("{}", "");
  EXPECT_TRUE(parse_safetensors(as_bytes(image), "f").tensors.empty());
}

TEST(Safetensors, UnsupportedTypeIsNamedOnceTheRestIsSound) {
  const char* header = R"({"w":{"dtype":"F8_E4M3","shape":[4],"data_offsets":[0,4]}})";
  const std::string image = safetensors_image(header, "abcd");
  const auto error = error_of([&] { parse_safetensors(as_bytes(image), "f"); });
  ASSERT_TRUE(error);
  EXPECT_EQ(error->code(), ErrorCode::kUnsupported);
  EXPECT_THAT(error->what(), HasSubstr("'w' is of type F8_E4M3"));
  const std::string shorter = safetensors_image(header, "abc");
  EXPECT_EQ(outcome_of([&] { parse_safetensors(as_bytes(shorter), "f"); }), "malformed");
}

TEST(Safetensors, WhatIsWrittenIsReadBack) {
  const TemporaryFolder folder;
  OutputFile out(folder / "a.safetensors");
  SafetensorsWriter writer(
      out, {{"quote\"d", DType::f32, {2}}, {"none", DType::u8, {0, 4}}, {"scalar", DType::i64, {}}},
      {{"k\\", "v"}});
  writer.write(as_bytes("12345678"));
  EXPECT_EQ(outcome_of([&] { writer.finish(); }), "failed");
  writer.write(as_bytes("abcd"));
  writer.write(as_bytes("efgh"));
  EXPECT_EQ(outcome_of([&] { writer.write(as_bytes("x")); }), "failed");
  writer.finish();
  out.close();
  const SafetensorsFile file = SafetensorsFile::open(folder / "a.safetensors");
  EXPECT_EQ(file.metadata().at("k\\"), "v");
  EXPECT_EQ(as_text(named(file.tensors(), "quote\"d").data), "12345678");
  EXPECT_EQ(as_text(named(file.tensors(), "scalar").data), "abcdefgh");
  EXPECT_EQ(named(file.tensors(), "none").shape, (Shape{0, 4}));
  const auto start =
      named(file.tensors(), "quote\"d").data.data() - file.mappings()[0].bytes().data();
  EXPECT_EQ(start % 8, 0);
}

TEST(Safetensors, WriterRefusesBlockTypes) {
  const TemporaryFolder folder;
  OutputFile out(folder / "a.safetensors");
  EXPECT_EQ(outcome_of([&] { SafetensorsWriter(out, {{"a", DType::q4_0, {32}}}); }), "unsupported");
}

// A model in two shards.
class Shards : public testing::Test {
 protected:
  static std::string shard(std::string_view tensor, std::string_view data) {
    return safetensors_image("{\"" + std::string(tensor) + R"(":{"dtype":"U8","shape":[)" +
                                 std::to_string(data.size()) + R"(],"data_offsets":[0,)" +
                                 std::to_string(data.size()) + "]}}",
                             data);
  }
  Shards() {
    folder_.put("m-1.safetensors", shard("a", "A"));
    folder_.put("m-2.safetensors", shard("b", "BB"));
  }
  std::string outcome(std::string_view weight_map) {
    const std::string index = folder_.put(
        "i.json", R"({"metadata":{"total_size":3,"x":[{}, [1.5e3, null], "\n"]},"weight_map":)" +
                      std::string(weight_map) + "}");
    return outcome_of([&] { tensors_ = SafetensorsFile::open_index(index).tensors().size(); });
  }
  TemporaryFolder folder_;
  std::size_t tensors_ = 0;
};

TEST_F(Shards, AreReadTogether) {
  EXPECT_EQ(outcome(R"({"a":"m-1.safetensors","b":"m-2.safetensors"})"), "ok");
  EXPECT_EQ(tensors_, 2u);
}

TEST_F(Shards, MissingShardIsMissing) {
  EXPECT_EQ(outcome(R"({"a":"m-1.safetensors","b":"m-3.safetensors"})"), "failed");
}

TEST_F(Shards, IndexAndShardsMustAgree) {
  EXPECT_EQ(outcome(R"({"b":"m-1.safetensors","a":"m-2.safetensors"})"), "malformed");
  EXPECT_EQ(outcome(R"({"a":"m-1.safetensors"})"), "ok");  // the other shard is not named at all
  EXPECT_EQ(outcome(R"({"a":"m-1.safetensors","c":"m-1.safetensors"})"), "malformed");
  EXPECT_EQ(outcome(R"({"a":"m-1.safetensors","a":"m-1.safetensors"})"), "malformed");
  EXPECT_EQ(outcome("{}"), "malformed");
  EXPECT_EQ(outcome("[]"), "malformed");
}

TEST_F(Shards, TensorInTwoShards) {
  folder_.put("m-2.safetensors", shard("a", "other"));
  EXPECT_EQ(outcome(R"({"a":"m-1.safetensors","b":"m-2.safetensors"})"), "malformed");
}

TEST_F(Shards, NamesMustStayInTheFolder) {
  for (const char* name :
       {"../m-1.safetensors", "/etc/passwd", "..", ".", "", "x/../m-1.safetensors",
        "./m-1.safetensors", "a\\\\b", "a\\u0000b", "a\\nb"}) {
    EXPECT_EQ(outcome("{\"a\":\"" + std::string(name) + "\"}"), "malformed") << name;
  }
}

}  // namespace
}  // namespace halfbyte
