// The dtype table: names, ids and sizes.
#include "tensor/dtype.h"

#include <limits>
#include <map>
#include <set>

#include <gtest/gtest.h>

namespace halfbyte {
namespace {

constexpr std::uint64_t kMax = std::numeric_limits<std::uint64_t>::max();

TEST(DType, EveryRowIsFoundByItsNames) {
  std::set<std::string_view> names;
  for (const DTypeInfo& row : all_dtypes()) {
    EXPECT_EQ(&info(row.dtype), &row);
    EXPECT_EQ(find_dtype(row.name), &row);
    EXPECT_EQ(name(row.dtype), row.name);
    EXPECT_TRUE(names.insert(row.name).second) << row.name;
    if (row.ggml_type >= 0) {
      EXPECT_EQ(find_ggml_type(static_cast<std::uint32_t>(row.ggml_type)), &row);
    }
    if (!row.safetensors.empty()) {
      EXPECT_EQ(find_safetensors_dtype(row.safetensors), &row);
    }
    EXPECT_EQ(is_quantized(row.dtype), row.block > 1);
    EXPECT_TRUE(row.encode == nullptr || row.decode != nullptr) << row.name;
  }
  EXPECT_EQ(names.size(), 37u);
}

TEST(DType, UnknownNamesAreNotFound) {
  EXPECT_EQ(find_dtype("q4_9"), nullptr);
  EXPECT_EQ(find_dtype(""), nullptr);
  EXPECT_EQ(find_safetensors_dtype(""), nullptr);
  EXPECT_EQ(find_safetensors_dtype("F8_E4M3"), nullptr);
  EXPECT_EQ(find_ggml_type(4), nullptr);
  EXPECT_EQ(find_ggml_type(0xFFFFFFFFu), nullptr);
}

// The numbers of the GGUF specification, spelled out once more.
TEST(DType, PublishedIds) {
  const std::map<std::uint32_t, std::string> published = {
      {0, "f32"},     {1, "f16"},         {2, "q4_0"},        {3, "q4_1"},        {4, "q4_2"},
      {5, "q4_3"},    {6, "q5_0"},        {7, "q5_1"},        {8, "q8_0"},        {9, "q8_1"},
      {10, "q2_k"},   {11, "q3_k"},       {12, "q4_k"},       {13, "q5_k"},       {14, "q6_k"},
      {15, "q8_k"},   {16, "iq2_xxs"},    {17, "iq2_xs"},     {18, "iq3_xxs"},    {19, "iq1_s"},
      {20, "iq4_nl"}, {21, "iq3_s"},      {22, "iq2_s"},      {23, "iq4_xs"},     {24, "i8"},
      {25, "i16"},    {26, "i32"},        {27, "i64"},        {28, "f64"},        {29, "iq1_m"},
      {30, "bf16"},   {31, "q4_0_4_4"},   {32, "q4_0_4_8"},   {33, "q4_0_8_8"},   {34, "tq1_0"},
      {35, "tq2_0"},  {36, "iq4_nl_4_4"}, {37, "iq4_nl_4_8"}, {38, "iq4_nl_8_8"}, {39, "mxfp4"},
      {40, "nvfp4"},  {41, "q1_0"},       {42, "q2_0"},
  };
  for (const auto& [id, text] : published) EXPECT_EQ(ggml_type_name(id), text);
  EXPECT_EQ(ggml_type_name(77), "type 77");
  EXPECT_EQ(ggml_type_name(0xFFFFFFFFu), "type 4294967295");
}

TEST(DType, Kinds) {
  EXPECT_TRUE(is_float(DType::f32));
  EXPECT_TRUE(is_float(DType::f64));
  EXPECT_FALSE(is_float(DType::i8));
  EXPECT_FALSE(is_float(DType::q4_0));
  EXPECT_EQ(info(DType::i64).decode, nullptr);
  EXPECT_EQ(info(DType::boolean).decode, nullptr);
}

TEST(DType, RowBytes) {
  EXPECT_EQ(row_bytes(DType::f32, 0), 0u);
  EXPECT_EQ(row_bytes(DType::f32, 576), 2304u);
  EXPECT_EQ(row_bytes(DType::q4_0, 64), 36u);
  EXPECT_EQ(row_bytes(DType::q4_0, 33), std::nullopt);
  EXPECT_EQ(row_bytes(DType::q6_k, 512), 420u);
  EXPECT_EQ(row_bytes(DType::q6_k, 32), std::nullopt);
}

TEST(DType, RowBytesOverflow) {
  EXPECT_EQ(row_bytes(DType::f64, kMax / 8), kMax / 8 * 8);
  EXPECT_EQ(row_bytes(DType::f64, kMax / 8 + 1), std::nullopt);
  EXPECT_EQ(row_bytes(DType::q8_0, kMax - 31), std::nullopt);  // 34 bytes for 32 elements
  EXPECT_EQ(row_bytes(DType::q4_0, kMax - 31), (kMax / 32) * 18);
}

}  // namespace
}  // namespace halfbyte
