// What the encoders do where a careless implementation differs from ggml's reference: ties, zeros
// of both signs, NaNs and infinities. Expected bytes are those of the C reference.
#include <array>
#include <cmath>
#include <cstring>
#include <limits>
#include <vector>

#include <gtest/gtest.h>

#include "base/half.h"
#include "tensor/dtype.h"

namespace halfbyte {
namespace {

constexpr float kNan = std::numeric_limits<float>::quiet_NaN();
constexpr float kInfinity = std::numeric_limits<float>::infinity();
using Block = std::array<float, 32>;

std::vector<std::uint8_t> encode(DType dtype, const Block& x) {
  std::vector<std::uint8_t> bytes(info(dtype).block_bytes);
  info(dtype).encode(x.data(), reinterpret_cast<std::byte*>(bytes.data()), x.size());
  return bytes;
}

std::uint16_t half_at(const std::vector<std::uint8_t>& bytes, std::size_t at) {
  std::uint16_t value = 0;
  std::memcpy(&value, bytes.data() + at, 2);
  return value;
}

// 2.34375 * -3.2f rounds to the tie -7.5, from which the separate sum makes the quant 1. A fused
// multiply-add sees that the product lies below the tie and makes it 0.
constexpr Block kFusedTie = {2.5f, 2.34375f};

TEST(Encode, ProductsAndSumsAreNotFused) {
  EXPECT_EQ(encode(DType::q4_0, kFusedTie)[2 + 1], 0x81);
}

TEST(Encode, ZerosHaveNegativeZeroScale) {
  const Block zeros{};
  Block negative;
  negative.fill(-0.0f);
  for (const Block& x : {zeros, negative}) {
    const auto q4 = encode(DType::q4_0, x);
    EXPECT_EQ(half_at(q4, 0), 0x8000);
    for (std::size_t j = 2; j < q4.size(); ++j) EXPECT_EQ(q4[j], 0x88);
    EXPECT_EQ(half_at(encode(DType::q5_0, x), 0), 0x8000);
    EXPECT_EQ(half_at(encode(DType::q8_0, x), 0), 0x0000);
  }
}

TEST(Encode, FirstOfTwoZerosIsTheMinimum) {
  Block x{};
  x.fill(1.0f);
  x[3] = -0.0f;
  x[20] = 0.0f;
  EXPECT_EQ(half_at(encode(DType::q4_1, x), 2), 0x8000);
  EXPECT_EQ(half_at(encode(DType::q5_1, x), 2), 0x8000);
  x[1] = 0.0f;
  EXPECT_EQ(half_at(encode(DType::q4_1, x), 2), 0x0000);
  for (float& v : x) v = -v;  // now zeros are the maximum
  EXPECT_EQ(half_at(encode(DType::q4_1, x), 2), 0xBC00);
  Block mixed{};
  mixed[5] = -0.0f;
  EXPECT_EQ(half_at(encode(DType::q4_1, mixed), 0), 0x0000);  // max - min is +0
}

TEST(Encode, FirstOfTwoPeaksGivesTheSign) {
  EXPECT_EQ(half_at(encode(DType::q4_0, Block{0.0f, 1.0f, -1.0f}), 0), float_to_half(-0.125f));
  EXPECT_EQ(half_at(encode(DType::q4_0, Block{0.0f, -1.0f, 1.0f}), 0), float_to_half(0.125f));
}

TEST(Encode, HalvesRoundAwayFromZero) {
  Block x{127.0f, 0.5f, -0.5f, 1.5f, -2.5f};
  x[5] = std::nextafter(0.5f, 0.0f);
  const auto bytes = encode(DType::q8_0, x);
  const std::vector<std::uint8_t> expected = {127, 1, 255, 2, 253, 0};
  EXPECT_EQ(std::vector(bytes.begin() + 2, bytes.begin() + 8), expected);
}

TEST(Encode, NansArePassedOver) {
  const Block x{kNan, 1.0f, -0.5f};
  const auto q4_0 = encode(DType::q4_0, x);
  EXPECT_EQ(half_at(q4_0, 0), float_to_half(-0.125f));
  EXPECT_EQ(q4_0[2], 0x80);  // the NaN is quant 0
  const auto q4_1 = encode(DType::q4_1, x);
  EXPECT_EQ(half_at(q4_1, 0), float_to_half(0.1f));
  EXPECT_EQ(half_at(q4_1, 2), float_to_half(-0.5f));
}

// The reference's running maximum forgets what came before a NaN, and the quants then wrap.
TEST(Encode, NanRestartsTheMaximumOfQ8) {
  const auto bytes = encode(DType::q8_0, Block{1000.0f, kNan, 1.0f, 0.5f});
  EXPECT_EQ(half_at(bytes, 0), float_to_half(1.0f / 127.0f));
  EXPECT_EQ(bytes[2], 127000 % 256);
  EXPECT_EQ(bytes[3], 0);
  EXPECT_EQ(bytes[4], 127);
}

TEST(Encode, Infinities) {
  const auto q4_0 = encode(DType::q4_0, Block{1.0f, kInfinity});
  EXPECT_EQ(half_at(q4_0, 0), 0xFC00);
  EXPECT_EQ(q4_0[2], 0x88);
  EXPECT_EQ(q4_0[3], 0x80);  // infinity times zero is quant 0
}

TEST(Encode, ScaleWhoseInverseOverflows) {
  const auto bytes = encode(DType::q8_0, Block{1e-40f, -1e-40f});
  EXPECT_EQ(half_at(bytes, 0), 0);
  EXPECT_EQ(bytes[2], 0);
  EXPECT_EQ(bytes[3], 0);
}

}  // namespace
}  // namespace halfbyte
