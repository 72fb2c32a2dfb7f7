// safetensors from someone who wants a crash: every case is one line of kMalformed, in bounded
// memory.
#include <gtest/gtest.h>

#include "formats/json_cursor.h"
#include "formats/safetensors.h"
#include "support.h"

namespace halfbyte {
namespace {

using test::outcome_of;
using test::safetensors_image;

std::string outcome(const std::string& image) {
  return outcome_of([&] { parse_safetensors(as_bytes(image), "hostile.safetensors"); },
                    image.size());
}

TEST(SafetensorsHostile, EveryTruncationOfARealFile) {
  const std::string whole = test::read_file(test::data_path("python.safetensors"));
  EXPECT_EQ(outcome(whole), "ok");
  for (std::size_t n = 0; n < whole.size(); ++n) {
    EXPECT_EQ(outcome(whole.substr(0, n)), "malformed") << n << " bytes";
  }
  EXPECT_EQ(outcome(whole + "x"), "malformed");  // the data must be covered
}

TEST(SafetensorsHostile, BitFlipsNeverCrashAndViewsStayInside) {
  const std::string whole = test::read_file(test::data_path("python.safetensors"));
  for (std::size_t bit = 0; bit < whole.size() * 8; ++bit) {
    std::string image = whole;
    image[bit / 8] = static_cast<char>(image[bit / 8] ^ (1 << (bit % 8)));
    const std::string got = outcome(image);
    EXPECT_TRUE(got == "ok" || got == "malformed" || got == "unsupported") << "bit " << bit;
    if (got != "ok") continue;
    for (const TensorView& tensor : parse_safetensors(as_bytes(image), "flipped").tensors) {
      EXPECT_EQ(tensor_bytes(tensor.dtype, tensor.shape), tensor.data.size());
    }
  }
}

TEST(SafetensorsHostile, HeaderLengthLies) {
  const std::string header = R"({"a":{"dtype":"U8","shape":[2],"data_offsets":[0,2]}})";
  EXPECT_EQ(outcome(safetensors_image(header, "ab")), "ok");
  for (const std::uint64_t n :
       {std::uint64_t{0}, std::uint64_t{1}, header.size() - 1, header.size() + 1, header.size() + 3,
        std::uint64_t{100'000'001}, ~std::uint64_t{0}, ~std::uint64_t{0} - 7}) {
    EXPECT_EQ(outcome(safetensors_image(header, "ab", n)), "malformed") << n;
  }
}

// Headers over 8 bytes of data that must be refused.
const char* const kBadHeaders[] = {
    "",
    "[]",
    " {}",
    "{}",
    "null",
    R"({"a":)",
    R"({"a":{"dtype":"U8","shape":[8],"data_offsets":[0,8]},})",
    R"({"a":{"dtype":"U8","shape":[8],"data_offsets":[0,8]}} x)",
    R"({"a":{"dtype":"U8","shape":[8],"data_offsets":[0,8]},"a":{"dtype":"U8","shape":[0],"data_offsets":[8,8]}})",
    R"({"a":{"dtype":"U8","shape":[8],"data_offsets":[0,8]},"\u0061":{"dtype":"U8","shape":[0],"data_offsets":[8,8]}})",
    R"({"a":{"dtype":"U8","dtype":"U8","shape":[8],"data_offsets":[0,8]}})",
    R"({"a":{"dtype":"U8","shape":[8],"data_offsets":[0,8],"extra":1}})",
    R"({"a":{"dtype":"U8","shape":[8]}})",
    R"({"a":{"shape":[8],"data_offsets":[0,8]}})",
    R"({"a":{}})",
    R"({"a":{"dtype":"X8","shape":[8],"data_offsets":[0,8]}})",
    R"({"a":{"dtype":"","shape":[8],"data_offsets":[0,8]}})",
    R"({"a":{"dtype":8,"shape":[8],"data_offsets":[0,8]}})",
    R"({"a":{"dtype":"U8","shape":8,"data_offsets":[0,8]}})",
    R"({"a":{"dtype":"U8","shape":[-8],"data_offsets":[0,8]}})",
    R"({"a":{"dtype":"U8","shape":[8.0],"data_offsets":[0,8]}})",
    R"({"a":{"dtype":"U8","shape":[8e0],"data_offsets":[0,8]}})",
    R"({"a":{"dtype":"U8","shape":[08],"data_offsets":[0,8]}})",
    R"({"a":{"dtype":"U8","shape":["8"],"data_offsets":[0,8]}})",
    R"({"a":{"dtype":"U8","shape":[18446744073709551624],"data_offsets":[0,8]}})",
    R"({"a":{"dtype":"U8","shape":[9223372036854775808,2,8],"data_offsets":[0,8]}})",
    R"({"a":{"dtype":"U8","shape":[0,9223372036854775807,9223372036854775807],"data_offsets":[0,0]},"b":{"dtype":"U8","shape":[8],"data_offsets":[0,8]}})",
    R"({"a":{"dtype":"F32","shape":[4611686018427387906],"data_offsets":[0,8]}})",
    R"({"a":{"dtype":"U8","shape":[1,1,1,1,1,1,1,1,8],"data_offsets":[0,8]}})",
    R"({"a":{"dtype":"F32","shape":[3],"data_offsets":[0,8]}})",
    R"({"a":{"dtype":"F4","shape":[15],"data_offsets":[0,8]}})",
    R"({"a":{"dtype":"U8","shape":[8],"data_offsets":[8,0]}})",
    R"({"a":{"dtype":"U8","shape":[8],"data_offsets":[8,16]}})",
    R"({"a":{"dtype":"U8","shape":[9],"data_offsets":[0,9]}})",
    R"({"a":{"dtype":"U8","shape":[8],"data_offsets":[0]}})",
    R"({"a":{"dtype":"U8","shape":[8],"data_offsets":[0,8,8]}})",
    R"({"a":{"dtype":"U8","shape":[8],"data_offsets":[18446744073709551608,8]}})",
    R"({"a":{"dtype":"U8","shape":[4],"data_offsets":[0,4]},"b":{"dtype":"U8","shape":[3],"data_offsets":[5,8]}})",
    R"({"a":{"dtype":"U8","shape":[5],"data_offsets":[0,5]},"b":{"dtype":"U8","shape":[4],"data_offsets":[4,8]}})",
    R"({"a":{"dtype":"U8","shape":[4],"data_offsets":[0,4]}})",
    R"({"":{"dtype":"U8","shape":[8],"data_offsets":[0,8]}})",
    R"({"a\u0000":{"dtype":"U8","shape":[8],"data_offsets":[0,8]}})",
    R"({"a\n":{"dtype":"U8","shape":[8],"data_offsets":[0,8]}})",
    R"({"a\ud800":{"dtype":"U8","shape":[8],"data_offsets":[0,8]}})",
    R"({"a\x":{"dtype":"U8","shape":[8],"data_offsets":[0,8]}})",
    "{\"a\xff\":{\"dtype\":\"U8\",\"shape\":[8],\"data_offsets\":[0,8]}}",
    "{\"a\t\":{\"dtype\":\"U8\",\"shape\":[8],\"data_offsets\":[0,8]}}",
    R"({"__metadata__":{"a":1},"a":{"dtype":"U8","shape":[8],"data_offsets":[0,8]}})",
    R"({"__metadata__":{"a":"1","a":"2"},"a":{"dtype":"U8","shape":[8],"data_offsets":[0,8]}})",
    R"({"__metadata__":[],"a":{"dtype":"U8","shape":[8],"data_offsets":[0,8]}})",
    R"({"__metadata__":{},"__metadata__":{},"a":{"dtype":"U8","shape":[8],"data_offsets":[0,8]}})",
};

TEST(SafetensorsHostile, BadHeadersAreMalformed) {
  EXPECT_EQ(outcome(safetensors_image(
                R"({"__metadata__":{},"a":{"dtype":"U8","shape":[8],"data_offsets":[0,8]}})",
                "12345678")),
            "ok");
  for (const char* header : kBadHeaders) {
    EXPECT_EQ(outcome(safetensors_image(header, "12345678")), "malformed") << header;
  }
}

TEST(SafetensorsHostile, BigHeadersStayWithinTheBound) {
  constexpr std::size_t kBig = 20'000'000;
  std::string header = "{";
  while (header.size() < kBig) {
    header += "\"" + std::to_string(header.size()) +
              R"(":{"dtype":"U8","shape":[0,0,0,0,0,0,0,0],"data_offsets":[0,0]},)";
  }
  header.back() = '}';
  EXPECT_EQ(outcome(safetensors_image(header, "")), "malformed");  // too many tensors
  EXPECT_EQ(outcome(safetensors_image("{\"" + std::string(kBig, 'n') + "\":", "")), "malformed");
  EXPECT_EQ(outcome(safetensors_image(
                "{\"__metadata__\":{\"k\":\"" + std::string(kBig, 'v') + "\"}}", "")),
            "ok");
  std::string many = "{\"__metadata__\":{";
  while (many.size() < kBig) many += "\"" + std::to_string(many.size()) + "\":\"\",";
  many.back() = '}';
  EXPECT_EQ(outcome(safetensors_image(many + "}", "")), "malformed");
  EXPECT_EQ(outcome(safetensors_image("{\"a\":{\"dtype\":" + std::string(kBig, '['), "")),
            "malformed");
}

TEST(JsonCursor, SkipsAnyValueToALimitedDepth) {
  const auto skip = [](const std::string& text) {
    return outcome_of([&] {
      JsonCursor json(text, "f");
      json.skip_value();
      json.expect_end();
    });
  };
  EXPECT_EQ(skip(R"({"a":[1,-2.5e+3,true,false,null,"\"]"],"b":{}} )"), "ok");
  EXPECT_EQ(skip(std::string(64, '[') + std::string(64, ']')), "ok");
  EXPECT_EQ(skip(std::string(100'000, '[')), "malformed");
  for (const char* bad : {"", "{", "[1", "[1,]", "{1:2}", "{\"a\"}", "nul", "\"", "\"\\", "1 2"}) {
    EXPECT_EQ(skip(bad), "malformed") << bad;
  }
}

}  // namespace
}  // namespace halfbyte
