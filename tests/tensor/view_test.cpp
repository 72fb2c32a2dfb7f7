// Shapes and tensor views.
#include "tensor/view.h"

#include <array>
#include <cstring>
#include <limits>
#include <numeric>
#include <string>
#include <vector>

#include <gtest/gtest.h>

namespace halfbyte {
namespace {

constexpr std::uint64_t kMax = std::numeric_limits<std::uint64_t>::max();
constexpr std::uint64_t kTop = std::uint64_t{1} << 63;

TEST(Shape, Products) {
  EXPECT_EQ(element_count({}), 1u);
  EXPECT_EQ(element_count({3, 4, 5}), 60u);
  EXPECT_EQ(element_count({3, 0, 5}), 0u);
  EXPECT_EQ(element_count({kMax}), kMax);
  EXPECT_EQ(element_count({kTop, 2}), std::nullopt);
}

// A zero hides no overflow of the others: rows() multiplies only some of them.
TEST(Shape, ZeroDoesNotHideOverflow) {
  EXPECT_EQ(element_count({0, kTop, 2}), std::nullopt);
  EXPECT_EQ(element_count({kTop, 2, 0}), std::nullopt);
  EXPECT_EQ(tensor_bytes(DType::i8, {kTop, 2, 0}), std::nullopt);
}

TEST(Shape, TensorBytes) {
  EXPECT_EQ(tensor_bytes(DType::f16, {}), 2u);
  EXPECT_EQ(tensor_bytes(DType::q4_0, {}), std::nullopt);
  EXPECT_EQ(tensor_bytes(DType::q4_0, {3, 64}), 108u);
  EXPECT_EQ(tensor_bytes(DType::q4_0, {64, 3}), std::nullopt);
  EXPECT_EQ(tensor_bytes(DType::q4_0, {0, 32}), 0u);
  EXPECT_EQ(tensor_bytes(DType::q4_0, {5, 0}), 0u);
  EXPECT_EQ(tensor_bytes(DType::f32, {kTop / 2}), std::nullopt);
  EXPECT_EQ(tensor_bytes(DType::f32, {std::uint64_t{1} << 31, std::uint64_t{1} << 31}),
            std::nullopt);
}

TEST(Shape, Text) {
  EXPECT_EQ(to_string(Shape{49152, 576}), "[49152, 576]");
  EXPECT_EQ(to_string(Shape{}), "[]");
}

TEST(TensorView, RowsOfThreeDimensions) {
  std::array<std::int8_t, 24> bytes{};
  std::iota(bytes.begin(), bytes.end(), std::int8_t{0});
  const TensorView view{"t", DType::i8, {2, 3, 4}, std::as_bytes(std::span(bytes))};
  EXPECT_EQ(view.rows(), 6u);
  EXPECT_EQ(view.columns(), 4u);
  EXPECT_EQ(view.row(5).data(), view.data.data() + 20);
  EXPECT_EQ(view.row(5).size(), 4u);
  std::array<float, 8> out{};
  decode_rows(view, 1, 3, out.data());
  for (std::size_t i = 0; i < out.size(); ++i) EXPECT_EQ(out[i], static_cast<float>(4 + i));
}

TEST(TensorView, Scalar) {
  const float value = 2.5f;
  const TensorView view{"s", DType::f32, {}, std::as_bytes(std::span(&value, 1))};
  EXPECT_EQ(view.rows(), 1u);
  EXPECT_EQ(view.columns(), 1u);
  float out = 0;
  decode_rows(view, 0, 1, &out);
  EXPECT_EQ(out, 2.5f);
}

TEST(TensorView, NoRowsDecodeToNothing) {
  const TensorView view{"none", DType::f32, {0, 4}, {}};
  EXPECT_EQ(view.rows(), 0u);
  decode_rows(view, 0, 0, nullptr);
}

TEST(TensorView, DecodesPlainNumbers) {
  const std::array<double, 2> doubles = {0.1, -1e300};
  const std::array<std::int32_t, 2> integers = {-7, 16777217};  // the second rounds to even
  std::array<float, 2> out{};
  decode_rows({"d", DType::f64, {2}, std::as_bytes(std::span(doubles))}, 0, 1, out.data());
  EXPECT_EQ(out[0], 0.1f);
  EXPECT_EQ(out[1], -std::numeric_limits<float>::infinity());
  decode_rows({"i", DType::i32, {2}, std::as_bytes(std::span(integers))}, 0, 1, out.data());
  EXPECT_EQ(out[0], -7.0f);
  EXPECT_EQ(out[1], 16777216.0f);
}

TEST(TensorView, IndicesAreNoWeights) {
  const std::int64_t value = 1;
  const TensorView view{"ids", DType::i64, {1}, std::as_bytes(std::span(&value, 1))};
  float out = 0;
  try {
    decode_rows(view, 0, 1, &out);
    FAIL() << "decoded";
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ErrorCode::kUnsupported);
    EXPECT_NE(error.message().find("'ids'"), std::string::npos);
    EXPECT_NE(error.message().find("i64"), std::string::npos);
  }
}

}  // namespace
}  // namespace halfbyte
