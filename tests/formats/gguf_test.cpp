// GGUF: what the reference writer writes is read, and what we write is read back the same.
#include "formats/gguf.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "support.h"

namespace halfbyte {
namespace {

using test::data_path;
using test::error_of;
using test::GgufParts;
using test::outcome_of;
using test::TemporaryFolder;
using test::u32_pair;
using testing::ElementsAre;
using testing::HasSubstr;

float float_at(const TensorView& tensor, std::size_t i) {
  float value;
  std::memcpy(&value, tensor.data.data() + i * sizeof(float), sizeof(float));
  return value;
}

TEST(Gguf, ReadsEveryMetadataTypeOfTheReferenceWriter) {
  const GgufFile file(data_path("python.gguf"));
  const Metadata& meta = file.metadata();
  EXPECT_EQ(file.version(), 3u);
  EXPECT_EQ(meta.get_string("general.architecture"), "llama");
  EXPECT_EQ(meta.get_uint("test.uint8"), 200u);
  EXPECT_EQ(meta.get_int("test.int8"), -5);
  EXPECT_EQ(meta.get_uint("test.uint16"), 60000u);
  EXPECT_EQ(meta.get_int("test.int16"), -300);
  EXPECT_EQ(meta.get_uint("test.uint32"), 4000000000u);
  EXPECT_EQ(meta.get_int("test.int32"), -70000);
  EXPECT_EQ(meta.get_uint("test.uint64"), (std::uint64_t{1} << 63) + 1);
  EXPECT_EQ(meta.get_int("test.int64"), -(std::int64_t{1} << 40));
  EXPECT_EQ(meta.get_number("test.float32"), 0.5);
  EXPECT_EQ(meta.get_number("test.float64"), 0.1);
  EXPECT_EQ(meta.get_bool("test.bool"), true);
  EXPECT_EQ(meta.get_string("test.string"), "h\u00e4lf");
  EXPECT_THAT(meta.get_strings("test.strings"), ElementsAre("a", "", "\u00e9\u00e9"));
  EXPECT_THAT(meta.get_ints("test.ints"), ElementsAre(1, -2, 3));
  EXPECT_THAT(meta.get_floats("test.floats"), ElementsAre(0.25f, -1.5f));
  EXPECT_THAT(meta.get_ints("test.bools"), ElementsAre(1, 0));
}

TEST(Gguf, ReadsTensorsOfTheReferenceWriter) {
  const GgufFile file(data_path("python.gguf"));
  ASSERT_EQ(file.tensors().size(), 3u);
  const TensorView& ramp = file.tensors()[0];
  EXPECT_EQ(ramp.name, "ramp");
  EXPECT_EQ(ramp.shape, (Shape{3, 4}));
  for (std::size_t i = 0; i < 12; ++i) EXPECT_EQ(float_at(ramp, i), static_cast<float>(i));
  EXPECT_EQ(file.tensors()[1].dtype, DType::f16);
  EXPECT_EQ(file.tensors()[2].dtype, DType::q8_0);
  EXPECT_EQ(file.tensors()[2].shape, (Shape{2, 32}));
  EXPECT_EQ(file.tensors()[2].data.size(), 68u);
}

TEST(Gguf, ReadsAllPartsOfASplit) {
  const GgufFile file(data_path("split-00001-of-00003.gguf"));
  ASSERT_EQ(file.tensors().size(), 5u);
  EXPECT_EQ(file.mappings().size(), 3u);
  for (std::size_t i = 0; i < 5; ++i) {
    EXPECT_EQ(file.tensors()[i].name, "t" + std::to_string(i));
    EXPECT_EQ(float_at(file.tensors()[i], 5), static_cast<float>(i));
  }
}

TEST(Gguf, SplitMustStartAtItsFirstPart) {
  const auto error = error_of([] { GgufFile(data_path("split-00002-of-00003.gguf")); });
  ASSERT_TRUE(error);
  EXPECT_THAT(error->what(), HasSubstr("part 2 of 3"));
}

class BrokenSplit : public testing::Test {
 protected:
  BrokenSplit() {
    for (const char* name :
         {"split-00001-of-00003.gguf", "split-00002-of-00003.gguf", "split-00003-of-00003.gguf"}) {
      folder_.put(name, test::read_file(data_path(name)));
    }
  }
  std::string outcome(std::string_view first = "split-00001-of-00003.gguf") {
    return outcome_of([&] { GgufFile file(folder_ / first); });
  }
  TemporaryFolder folder_;
};

TEST_F(BrokenSplit, CompleteIsFine) {
  EXPECT_EQ(outcome(), "ok");
}

TEST_F(BrokenSplit, MissingPart) {
  std::remove((folder_ / "split-00003-of-00003.gguf").c_str());
  EXPECT_EQ(outcome(), "failed");
}

TEST_F(BrokenSplit, PartInTheWrongPlace) {
  folder_.put("split-00003-of-00003.gguf", test::read_file(data_path("split-00002-of-00003.gguf")));
  EXPECT_EQ(outcome(), "malformed");
}

TEST_F(BrokenSplit, TruncatedPart) {
  const std::string part = test::read_file(data_path("split-00002-of-00003.gguf"));
  folder_.put("split-00002-of-00003.gguf", std::string_view(part).substr(0, part.size() - 60));
  EXPECT_EQ(outcome(), "malformed");
}

TEST_F(BrokenSplit, OtherName) {
  folder_.put("model.gguf", test::read_file(data_path("split-00001-of-00003.gguf")));
  EXPECT_EQ(outcome("model.gguf"), "malformed");
}

TEST(Gguf, ReadsVersion2) {
  GgufParts parts;
  parts.version = 2;
  parts.pairs = {u32_pair("a", 7)};
  parts.tensors = {{"x", {2}, 0, 0}};
  parts.data = std::string(8, '\0');
  const std::string image = parts.image();
  const GgufImage read = parse_gguf(as_bytes(image), "v2");
  EXPECT_EQ(read.version, 2u);
  EXPECT_EQ(read.metadata.get_uint("a"), 7u);
  EXPECT_EQ(read.tensors.at(0).data.size(), 8u);
}

TEST(Gguf, OtherVersionsAndByteOrdersAreUnsupported) {
  for (const std::uint32_t version : {1u, 4u, 77u, 0x03000000u, 0x02000000u}) {
    GgufParts parts;
    parts.version = version;
    const std::string image = parts.image();
    EXPECT_EQ(outcome_of([&] { parse_gguf(as_bytes(image), "f"); }), "unsupported") << version;
  }
}

TEST(Gguf, UnsupportedTypeIsNamedOnceTheRestIsSound) {
  GgufParts parts;
  parts.tensors = {{"a", {256}, 16, 0}, {"b", {8}, 0, 96}};  // 16 is iq2_xxs: 66 bytes
  parts.data = std::string(128, '\0');
  std::string image = parts.image();
  const auto error = error_of([&] { parse_gguf(as_bytes(image), "f"); });
  ASSERT_TRUE(error);
  EXPECT_EQ(error->code(), ErrorCode::kUnsupported);
  EXPECT_THAT(error->what(), HasSubstr("'a' is of type iq2_xxs"));
  image.resize(image.size() - 1);  // now b is cut short as well
  EXPECT_EQ(outcome_of([&] { parse_gguf(as_bytes(image), "f"); }), "malformed");
}

TEST(Gguf, BytesAfterTheLastTensorAndZeroElementsAreFine) {
  GgufParts parts;
  parts.tensors = {{"none", {0, 5}, 0, 0}, {"x", {2}, 0, 0}, {"scalar", {}, 0, 32}};
  parts.data = std::string(1000, '\0');
  const std::string image = parts.image();
  EXPECT_EQ(parse_gguf(as_bytes(image), "f").tensors.size(), 3u);
  parts.tensors.clear();
  parts.data.clear();
  const std::string empty = parts.image().substr(0, 24);  // no padding behind the header
  EXPECT_EQ(parse_gguf(as_bytes(empty), "f").tensors.size(), 0u);
}

Metadata rich_metadata() {
  Metadata meta;
  meta.set_string("general.architecture", "llama");
  meta.set_u32("u32", 5);
  meta.set_u64("u64", UINT64_MAX);
  meta.set_i32("i32", -7);
  meta.set_f32("f32", 0.1f);
  meta.set_bool("bool", true);
  meta.set_strings("strings", {"x", "", "yz"});
  meta.set_i32s("i32s", {-1, 2});
  meta.set_f32s("f32s", {1.5f});
  meta.set_u8s("u8s", {1, 255});
  meta.set_bools("bools", {true, false, true});
  return meta;
}

void write_gguf(const std::string& path, const Metadata& meta) {
  OutputFile out(path);
  GgufWriter writer(
      out, meta,
      {{"empty", DType::f32, {0}}, {"a", DType::f32, {2, 3}}, {"b", DType::q8_0, {1, 32}}});
  const std::vector<float> a = {0, 1, 2, 3, 4, 5};
  writer.write(std::as_bytes(std::span(a)).first(10));  // pieces of any size
  writer.write(std::as_bytes(std::span(a)).subspan(10));
  writer.write(as_bytes(std::string(34, 'q')));
  writer.finish();
  out.close();
}

TEST(Gguf, WhatIsWrittenIsReadBack) {
  const TemporaryFolder folder;
  write_gguf(folder / "a.gguf", rich_metadata());
  const GgufFile file(folder / "a.gguf");
  const Metadata& meta = file.metadata();
  EXPECT_EQ(meta.entries().size(), 11u);
  EXPECT_EQ(meta.get_uint("u64"), UINT64_MAX);
  EXPECT_EQ(meta.get_int("i32"), -7);
  EXPECT_EQ(meta.get_number("f32"), static_cast<double>(0.1f));
  EXPECT_EQ(meta.get_bool("bool"), true);
  EXPECT_THAT(meta.get_strings("strings"), ElementsAre("x", "", "yz"));
  EXPECT_THAT(meta.get_ints("i32s"), ElementsAre(-1, 2));
  EXPECT_THAT(meta.get_ints("u8s"), ElementsAre(1, 255));
  EXPECT_THAT(meta.get_ints("bools"), ElementsAre(1, 0, 1));
  ASSERT_EQ(file.tensors().size(), 3u);
  EXPECT_EQ(float_at(file.tensors()[1], 5), 5.0f);
  EXPECT_EQ(as_text(file.tensors()[2].data), std::string(34, 'q'));
}

TEST(Gguf, MetadataSurvivesAllTypes) {
  const TemporaryFolder folder;
  const GgufFile reference(data_path("python.gguf"));
  OutputFile out(folder / "copy.gguf");
  GgufWriter(out, reference.metadata(), {}).finish();
  out.close();
  // The pairs are the same bytes in both files, behind the 24 of the header.
  const std::string a = test::read_file(folder / "copy.gguf");
  const std::string b = test::read_file(data_path("python.gguf"));
  const std::size_t pairs = b.find("ramp") - 8;
  EXPECT_EQ(a.substr(24, pairs - 24), b.substr(24, pairs - 24));
}

TEST(Gguf, WriterKeepsTheAlignmentThatMetadataSays) {
  const TemporaryFolder folder;
  Metadata meta;
  meta.set_u32("general.alignment", 4096);
  write_gguf(folder / "a.gguf", meta);
  EXPECT_EQ(test::read_file(folder / "a.gguf").size(), 3u * 4096);
  EXPECT_EQ(float_at(GgufFile(folder / "a.gguf").tensors()[1], 3), 3.0f);
}

TEST(Gguf, WriterRefusesMissingAndExcessiveData) {
  const TemporaryFolder folder;
  OutputFile out(folder / "a.gguf");
  GgufWriter writer(out, {}, {{"a", DType::f32, {2}}});
  EXPECT_EQ(outcome_of([&] { writer.finish(); }), "failed");
  EXPECT_EQ(outcome_of([&] { writer.write(as_bytes("123456789")); }), "failed");
}

TEST(Gguf, WriterRefusesWhatGgufCannotHold) {
  const TemporaryFolder folder;
  const std::vector<GgufWriter::Tensor> bad = {{"a", DType::u8, {2}},
                                               {"a", DType::q8_0, {33}},
                                               {"a", DType::f32, {1, 1, 1, 1, 1}},
                                               {std::string(64, 'n'), DType::f32, {1}},
                                               {"", DType::f32, {1}}};
  for (const GgufWriter::Tensor& tensor : bad) {
    OutputFile out(folder / std::to_string(&tensor - bad.data()));
    EXPECT_EQ(outcome_of([&] { GgufWriter(out, {}, {tensor}); }), "unsupported");
  }
}

}  // namespace
}  // namespace halfbyte
