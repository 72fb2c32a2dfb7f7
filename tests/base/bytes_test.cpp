// Checked arithmetic, the byte reader and UTF-8.
#include "base/bytes.h"

#include <limits>
#include <string>

#include "base/support.h"

namespace halfbyte {
namespace {

using namespace std::literals;
constexpr std::uint64_t kMax = std::numeric_limits<std::uint64_t>::max();

TEST(Checked, Add) {
  EXPECT_EQ(checked_add(kMax - 1, 1), kMax);
  EXPECT_EQ(checked_add(kMax, 1), std::nullopt);
  EXPECT_EQ(checked_add(kMax, kMax), std::nullopt);
}

TEST(Checked, Multiply) {
  EXPECT_EQ(checked_mul(kMax, 0), 0u);
  EXPECT_EQ(checked_mul(kMax / 5, 5), kMax);
  EXPECT_EQ(checked_mul(kMax / 5 + 1, 5), std::nullopt);
  EXPECT_EQ(checked_mul(std::uint64_t{1} << 32, std::uint64_t{1} << 32), std::nullopt);
}

TEST(Checked, Align) {
  EXPECT_EQ(checked_align(0, 32), 0u);
  EXPECT_EQ(checked_align(33, 32), 64u);
  EXPECT_EQ(checked_align(7, 3), 9u);
  EXPECT_EQ(checked_align(kMax - 31, 32), kMax - 31);
  EXPECT_EQ(checked_align(kMax, 32), std::nullopt);
}

TEST(ByteReader, ReadsLittleEndianUnaligned) {
  ByteReader reader(as_bytes("\x07\x01\x02\x00\x00\x00\x00\x80\x3f"sv), "f");
  EXPECT_EQ(reader.read<std::uint8_t>("a"), 7u);
  EXPECT_EQ(reader.read<std::uint32_t>("b"), 0x201u);
  EXPECT_EQ(reader.read<float>("c"), 1.0f);
  EXPECT_EQ(reader.left(), 0u);
  EXPECT_EQ(reader.take(0, "nothing").size(), 0u);
}

TEST(ByteReader, ShortReadNamesFileByteAndSubject) {
  ByteReader reader(as_bytes("abcdef"), "m.gguf", 100);
  reader.take(4, "start");
  const auto error = test::error_of([&] { reader.read<std::uint64_t>("tensor count"); });
  EXPECT_EQ(error->code(), ErrorCode::kMalformed);
  EXPECT_STREQ(error->what(), "m.gguf: tensor count needs 8 bytes, 2 are left at byte 104");
  EXPECT_EQ(reader.left(), 2u);  // and nothing was consumed
  EXPECT_EQ(as_text(reader.take(2, "rest")), "ef");
}

TEST(ByteReader, HugeSizesDoNotWrap) {
  ByteReader reader(as_bytes("abcd"), "f");
  reader.take(1, "one");
  EXPECT_EQ(test::error_of([&] { reader.take(kMax, "name"); })->offset(), 1u);
  EXPECT_EQ(reader.offset(), 1u);
}

TEST(ByteReader, ExpectsRoomForRecords) {
  const ByteReader reader(as_bytes("0123456789"), "f");
  reader.expect_records(5, 2, "keys");
  reader.expect_records(0, 2, "keys");
  EXPECT_EQ(test::error_of([&] { reader.expect_records(6, 2, "keys"); })->code(),
            ErrorCode::kMalformed);
  EXPECT_EQ(test::error_of([&] { reader.expect_records(kMax, 2, "keys"); })->offset(), 0u);
}

TEST(Utf8, WellFormed) {
  for (const std::string_view text :
       {""sv, "plain"sv, "\0"sv, "\x7f"sv, "\xc2\x80"sv, "\xdf\xbf"sv, "\xe0\xa0\x80"sv,
        "\xed\x9f\xbf"sv, "\xee\x80\x80"sv, "\xef\xbf\xbf"sv, "\xf0\x90\x80\x80"sv,
        "\xf4\x8f\xbf\xbf"sv, "a\xf0\x9f\x98\x80z"sv}) {
    EXPECT_TRUE(is_valid_utf8(text)) << testing::PrintToString(text);
  }
}

TEST(Utf8, IllFormed) {
  for (const std::string_view text :
       {"\x80"sv, "\xbf"sv, "\xc0\x80"sv, "\xc1\xbf"sv, "\xc2"sv, "\xc2z"sv, "\xe0\x9f\xbf"sv,
        "\xed\xa0\x80"sv, "\xed\xbf\xbf"sv, "\xe2\x82"sv, "\xe2\x82z"sv, "\xf0\x8f\xbf\xbf"sv,
        "\xf4\x90\x80\x80"sv, "\xf5\x80\x80\x80"sv, "\xf0\x9f\x98"sv, "\xff"sv, "ok\xfe"sv}) {
    EXPECT_FALSE(is_valid_utf8(text)) << testing::PrintToString(text);
  }
}

// Every code point, encoded by the rule of table 3-6, is valid unless it is a surrogate.
TEST(Utf8, EveryThreeByteCodePoint) {
  for (unsigned code = 0x800; code < 0x10000; ++code) {
    const std::string text = {static_cast<char>(0xE0 | (code >> 12)),
                              static_cast<char>(0x80 | ((code >> 6) & 63)),
                              static_cast<char>(0x80 | (code & 63))};
    EXPECT_EQ(is_valid_utf8(text), code < 0xD800 || code > 0xDFFF) << code;
  }
}

}  // namespace
}  // namespace halfbyte
