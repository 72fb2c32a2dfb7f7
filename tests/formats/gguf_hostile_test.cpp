// GGUF from someone who wants a crash: every case is one line of kMalformed, in bounded memory.
#include <random>
#include <set>

#include <gtest/gtest.h>

#include "formats/gguf.h"
#include "support.h"

namespace halfbyte {
namespace {

using test::Bytes;
using test::data_path;
using test::GgufParts;
using test::outcome_of;
using test::u32_pair;

std::string outcome(const std::string& image) {
  return outcome_of([&] { parse_gguf(as_bytes(image), "hostile.gguf"); }, image.size());
}

// Two pairs, two tensors of 32 bytes each.
GgufParts sound_parts() {
  GgufParts parts;
  parts.pairs = {u32_pair("one", 1), u32_pair("two", 2)};
  parts.tensors = {{"a", {4, 2}, 0, 0}, {"b", {8}, 0, 32}};
  parts.data = std::string(64, 'd');
  return parts;
}

TEST(GgufHostile, SoundPartsAreSound) {
  EXPECT_EQ(outcome(sound_parts().image()), "ok");
}

TEST(GgufHostile, EveryTruncationOfARealFile) {
  const std::string whole = test::read_file(data_path("python.gguf"));
  const GgufImage image = parse_gguf(as_bytes(whole), "whole");
  const TensorView& last = image.tensors.back();
  const std::size_t needed =
      static_cast<std::size_t>(last.data.data() - as_bytes(whole).data()) + last.data.size();
  for (std::size_t n = 0; n < whole.size(); ++n) {
    EXPECT_EQ(outcome(whole.substr(0, n)), n < needed ? "malformed" : "ok") << n << " bytes";
  }
}

TEST(GgufHostile, BitFlipsNeverCrashAndViewsStayInside) {
  const std::string whole = test::read_file(data_path("python.gguf"));
  for (std::size_t bit = 0; bit < whole.size() * 8; ++bit) {
    std::string image = whole;
    image[bit / 8] = static_cast<char>(image[bit / 8] ^ (1 << (bit % 8)));
    const std::string got = outcome(image);
    EXPECT_TRUE(got == "ok" || got == "malformed" || got == "unsupported") << "bit " << bit;
    if (got != "ok") continue;
    const ByteView bytes = as_bytes(image);
    for (const TensorView& tensor : parse_gguf(bytes, "flipped").tensors) {
      if (tensor.data.empty()) continue;
      EXPECT_GE(tensor.data.data(), bytes.data());
      EXPECT_LE(tensor.data.data() + tensor.data.size(), bytes.data() + bytes.size());
      EXPECT_EQ(tensor_bytes(tensor.dtype, tensor.shape), tensor.data.size());
    }
  }
}

TEST(GgufHostile, RandomBytesBehindTheMagic) {
  std::mt19937 random(1);
  for (int round = 0; round < 500; ++round) {
    GgufParts parts;
    parts.pair_count = random() % 4;
    parts.tensor_count = random() % 4;
    for (int i = 0; i < 200; ++i) parts.data += static_cast<char>(random() % 8);
    EXPECT_NE(outcome(parts.image()), "failed");
  }
}

struct Case {
  const char* name;
  void (*spoil)(GgufParts&);
};

std::ostream& operator<<(std::ostream& out, const Case& c) {
  return out << c.name;
}

std::string array_pair(std::uint32_t element, std::uint64_t count, std::string_view raw) {
  return Bytes().string("list").add(std::uint32_t{9}).add(element).add(count).raw(raw).text();
}

constexpr std::uint64_t kHuge = ~std::uint64_t{0};

const Case kCases[] = {
    {"pair_count_lies", [](GgufParts& p) { p.pair_count = 3; }},
    {"pair_count_huge", [](GgufParts& p) { p.pair_count = kHuge; }},
    {"pair_count_wraps", [](GgufParts& p) { p.pair_count = kHuge / 13 + 2; }},
    {"tensor_count_lies", [](GgufParts& p) { p.tensor_count = 3; }},
    {"tensor_count_huge", [](GgufParts& p) { p.tensor_count = kHuge; }},
    {"tensor_count_wraps", [](GgufParts& p) { p.tensor_count = kHuge / 24 + 2; }},
    {"version_0", [](GgufParts& p) { p.version = 0; }},
    {"version_of_nothing", [](GgufParts& p) { p.version = 0x12345678; }},
    {"empty_key", [](GgufParts& p) { p.pairs[0] = u32_pair("", 1); }},
    {"key_with_nul",
     [](GgufParts& p) {
       p.pairs[0] = u32_pair({"o\0e", 3}, 1);
     }},
    {"key_not_utf8", [](GgufParts& p) { p.pairs[0] = u32_pair("\xff\xfe", 1); }},
    {"key_twice", [](GgufParts& p) { p.pairs[1] = u32_pair("one", 1); }},
    {"key_too_long", [](GgufParts& p) { p.pairs[0] = u32_pair(std::string(65536, 'k'), 1); }},
    {"key_length_huge", [](GgufParts& p) { p.pairs[0] = Bytes().add(kHuge).raw("one").text(); }},
    {"string_length_huge",
     [](GgufParts& p) {
       p.pairs[0] = Bytes().string("s").add(std::uint32_t{8}).add(kHuge).raw("abc").text();
     }},
    {"unknown_value_type",
     [](GgufParts& p) { p.pairs[0] = Bytes().string("x").add(std::uint32_t{13}).text(); }},
    {"nested_array", [](GgufParts& p) { p.pairs[0] = array_pair(9, 1, std::string(64, '\0')); }},
    {"unknown_element_type", [](GgufParts& p) { p.pairs[0] = array_pair(14, 1, "abcd"); }},
    {"array_count_huge", [](GgufParts& p) { p.pairs[0] = array_pair(4, kHuge, "abcd"); }},
    {"array_count_wraps", [](GgufParts& p) { p.pairs[0] = array_pair(10, kHuge / 8 + 2, "abcd"); }},
    {"strings_count_huge", [](GgufParts& p) { p.pairs[0] = array_pair(8, kHuge, "abcd"); }},
    {"string_in_array_too_long",
     [](GgufParts& p) { p.pairs[0] = array_pair(8, 1, Bytes().add(kHuge - 7).text()); }},
    {"alignment_0", [](GgufParts& p) { p.pairs[0] = u32_pair("general.alignment", 0); }},
    {"alignment_48", [](GgufParts& p) { p.pairs[0] = u32_pair("general.alignment", 48); }},
    {"alignment_2_31",
     [](GgufParts& p) { p.pairs[0] = u32_pair("general.alignment", 0x80000000u); }},
    {"alignment_is_a_string",
     [](GgufParts& p) {
       p.pairs[0] = Bytes().string("general.alignment").add(std::uint32_t{8}).string("32").text();
     }},
    {"five_dimensions",
     [](GgufParts& p) {
       p.tensors[0].dims = {1, 1, 1, 1, 8};
     }},
    {"product_overflows",
     [](GgufParts& p) {
       p.tensors[0].dims = {1ull << 32, 1ull << 32, 1ull << 32, 2};
     }},
    {"product_wraps_to_the_size",
     [](GgufParts& p) {
       p.tensors[0].dims = {1ull << 63, 2, 8};
     }},
    {"product_overflows_beside_a_zero",
     [](GgufParts& p) {
       p.tensors[0].dims = {0, 1ull << 40, 1ull << 40};
     }},
    {"bytes_overflow", [](GgufParts& p) { p.tensors[0].dims = {1ull << 62}; }},
    {"tensor_larger_than_file", [](GgufParts& p) { p.tensors[1].dims = {9}; }},
    {"offset_past_the_end", [](GgufParts& p) { p.tensors[1].offset = 96; }},
    {"offset_wraps", [](GgufParts& p) { p.tensors[1].offset = kHuge - 31; }},
    {"offset_unaligned", [](GgufParts& p) { p.tensors[1].offset = 36; }},
    {"offsets_overlap", [](GgufParts& p) { p.tensors[1].offset = 0; }},
    {"offsets_shuffled", [](GgufParts& p) { std::swap(p.tensors[0].offset, p.tensors[1].offset); }},
    {"first_offset_not_0", [](GgufParts& p) { p.tensors[0].offset = 32; }},
    {"name_twice", [](GgufParts& p) { p.tensors[1].name = "a"; }},
    {"name_empty", [](GgufParts& p) { p.tensors[0].name = ""; }},
    {"name_with_nul", [](GgufParts& p) { p.tensors[0].name = std::string("a\0b", 3); }},
    {"name_with_line_break", [](GgufParts& p) { p.tensors[0].name = "a\nb"; }},
    {"name_not_utf8", [](GgufParts& p) { p.tensors[0].name = "\xc0\x80"; }},
    {"name_of_65_bytes", [](GgufParts& p) { p.tensors[0].name = std::string(65, 'n'); }},
    {"type_is_no_type", [](GgufParts& p) { p.tensors[0].type = 0x40000000u; }},
    {"rows_not_in_blocks", [](GgufParts& p) { p.tensors[0].type = 2; }},
    {"unsupported_type_past_the_end",
     [](GgufParts& p) {
       p.tensors[1].type = 16;
       p.tensors[1].offset = 96;
     }},
    {"no_data", [](GgufParts& p) { p.data.clear(); }},
};

class GgufHostileCase : public testing::TestWithParam<Case> {};

TEST_P(GgufHostileCase, IsMalformed) {
  GgufParts parts = sound_parts();
  GetParam().spoil(parts);
  EXPECT_EQ(outcome(parts.image()), "malformed");
}

INSTANTIATE_TEST_SUITE_P(All, GgufHostileCase, testing::ValuesIn(kCases),
                         [](const auto& instance) { return std::string(instance.param.name); });

TEST(GgufHostile, NotAGgufFile) {
  for (const char* text : {"", "GG", "PK\3\4", "FUGG and more of it"}) {
    EXPECT_EQ(outcome(text), "malformed");
  }
}

TEST(GgufHostile, AMillionEmptyStringsStayWithinTheBound) {
  GgufParts parts;
  parts.pairs = {array_pair(8, 1'000'000, std::string(8'000'000, '\0'))};
  EXPECT_EQ(outcome(parts.image()), "ok");
  parts.pairs = {array_pair(8, 3'000'000, std::string(24'000'000, '\0'))};
  EXPECT_EQ(outcome(parts.image()), "malformed");
}

TEST(GgufHostile, ManyTensorsAreCheckedInLittleTime) {
  GgufParts parts;
  for (int i = 0; i < 60'000; ++i) parts.tensors.push_back({std::to_string(i), {0}, 0, 0});
  EXPECT_EQ(outcome(parts.image()), "ok");
  parts.tensors.back().name = "0";
  EXPECT_EQ(outcome(parts.image()), "malformed");
}

}  // namespace
}  // namespace halfbyte
