// The dtype table and its lookups.
#include "tensor/dtype.h"

#include <algorithm>
#include <array>

#include <fmt/format.h>

#include "base/bytes.h"
#include "tensor/blocks/codecs.h"
#include "tensor/blocks/zero_points.h"

namespace halfbyte {

namespace {

template <unsigned kBits, std::size_t kGroup>
constexpr DTypeInfo with_zero_points(DType dtype, std::string_view name) {
  constexpr std::size_t kBytes = blocks::group_block_bytes(kBits, kGroup);
  return {dtype,
          name,
          kGroup,
          kBytes,
          -1,
          "",
          blocks::decode_groups<kBits, kGroup>,
          blocks::encode_groups<kBits, kGroup>,
          blocks::encode_weighted_groups<kBits, kGroup>};
}

constexpr DTypeInfo row_int8(DType dtype, std::string_view name) {
  return {dtype,   name,         32, 32, -1, "", blocks::decode_row_int8, blocks::encode_row_int8,
          nullptr, sizeof(float)};
}

// In the order of the enum. i64 and bool are indices and masks, never weights.
constexpr auto kTypes = std::to_array<DTypeInfo>({
    // dtype, name, block, bytes, ggml, safetensors, decode, encode, encode_weighted
    {DType::f32, "f32", 1, 4, 0, "F32", blocks::decode_f32, blocks::encode_f32},
    {DType::f16, "f16", 1, 2, 1, "F16", blocks::decode_f16, blocks::encode_f16},
    {DType::bf16, "bf16", 1, 2, 30, "BF16", blocks::decode_bf16, blocks::encode_bf16},
    {DType::f64, "f64", 1, 8, 28, "F64", blocks::decode_f64, nullptr},
    {DType::i8, "i8", 1, 1, 24, "I8", blocks::decode_i8, nullptr},
    {DType::u8, "u8", 1, 1, -1, "U8", blocks::decode_u8, nullptr},
    {DType::i16, "i16", 1, 2, 25, "I16", blocks::decode_i16, nullptr},
    {DType::i32, "i32", 1, 4, 26, "I32", blocks::decode_i32, nullptr},
    {DType::i64, "i64", 1, 8, 27, "I64", nullptr, nullptr},
    {DType::boolean, "bool", 1, 1, -1, "BOOL", nullptr, nullptr},
    {DType::q4_0, "q4_0", 32, 18, 2, "", blocks::decode_q4_0, blocks::encode_q4_0,
     blocks::encode_weighted_q4_0},
    {DType::q4_1, "q4_1", 32, 20, 3, "", blocks::decode_q4_1, blocks::encode_q4_1,
     blocks::encode_weighted_q4_1},
    {DType::q5_0, "q5_0", 32, 22, 6, "", blocks::decode_q5_0, blocks::encode_q5_0,
     blocks::encode_weighted_q5_0},
    {DType::q5_1, "q5_1", 32, 24, 7, "", blocks::decode_q5_1, blocks::encode_q5_1,
     blocks::encode_weighted_q5_1},
    {DType::q8_0, "q8_0", 32, 34, 8, "", blocks::decode_q8_0, blocks::encode_q8_0,
     blocks::encode_weighted_q8_0},
    {DType::q2_k, "q2_k", 256, 84, 10, "", blocks::decode_q2_k, blocks::encode_q2_k,
     blocks::encode_weighted_q2_k},
    {DType::q3_k, "q3_k", 256, 110, 11, "", blocks::decode_q3_k, blocks::encode_q3_k,
     blocks::encode_weighted_q3_k},
    {DType::q4_k, "q4_k", 256, 144, 12, "", blocks::decode_q4_k, blocks::encode_q4_k,
     blocks::encode_weighted_q4_k},
    {DType::q5_k, "q5_k", 256, 176, 13, "", blocks::decode_q5_k, blocks::encode_q5_k,
     blocks::encode_weighted_q5_k},
    {DType::q6_k, "q6_k", 256, 210, 14, "", blocks::decode_q6_k, blocks::encode_q6_k,
     blocks::encode_weighted_q6_k},
    {DType::iq4_nl, "iq4_nl", 32, 18, 20, "", blocks::decode_iq4_nl, blocks::encode_iq4_nl,
     blocks::encode_weighted_iq4_nl},
    {DType::iq4_xs, "iq4_xs", 256, 136, 23, "", blocks::decode_iq4_xs, blocks::encode_iq4_xs,
     blocks::encode_weighted_iq4_xs},
    with_zero_points<2, 32>(DType::w2g32, "w2g32"),
    with_zero_points<2, 64>(DType::w2g64, "w2g64"),
    with_zero_points<2, 128>(DType::w2g128, "w2g128"),
    with_zero_points<3, 32>(DType::w3g32, "w3g32"),
    with_zero_points<3, 64>(DType::w3g64, "w3g64"),
    with_zero_points<3, 128>(DType::w3g128, "w3g128"),
    with_zero_points<4, 32>(DType::w4g32, "w4g32"),
    with_zero_points<4, 64>(DType::w4g64, "w4g64"),
    with_zero_points<4, 128>(DType::w4g128, "w4g128"),
    with_zero_points<8, 32>(DType::w8g32, "w8g32"),
    with_zero_points<8, 64>(DType::w8g64, "w8g64"),
    with_zero_points<8, 128>(DType::w8g128, "w8g128"),
    row_int8(DType::w8a8, "w8a8"),
    row_int8(DType::int8, "int8"),
    {DType::w4a8, "w4a8", 32, 17, -1, "", blocks::decode_row_int4, blocks::encode_row_int4,
     blocks::encode_weighted_row_int4, sizeof(float)},
});

constexpr bool in_enum_order() {
  for (std::size_t i = 0; i < kTypes.size(); ++i) {
    if (static_cast<std::size_t>(kTypes[i].dtype) != i) return false;
  }
  return kTypes.back().dtype == DType::w4a8;  // the last of the enum
}
static_assert(in_enum_order(), "info() indexes the table with the enum");

struct OtherType {
  std::uint32_t ggml_type;
  std::string_view name;
};

// Ids of ggml.h that halfbyte does not read, also those withdrawn from the format, so that a
// message can name them.
constexpr auto kOtherTypes = std::to_array<OtherType>({
    {4, "q4_2"},    {5, "q4_3"},        {9, "q8_1"},        {15, "q8_k"},       {16, "iq2_xxs"},
    {17, "iq2_xs"}, {18, "iq3_xxs"},    {19, "iq1_s"},      {21, "iq3_s"},      {22, "iq2_s"},
    {29, "iq1_m"},  {31, "q4_0_4_4"},   {32, "q4_0_4_8"},   {33, "q4_0_8_8"},   {34, "tq1_0"},
    {35, "tq2_0"},  {36, "iq4_nl_4_4"}, {37, "iq4_nl_4_8"}, {38, "iq4_nl_8_8"}, {39, "mxfp4"},
    {40, "nvfp4"},  {41, "q1_0"},       {42, "q2_0"},
});

template <typename Predicate>
const DTypeInfo* find(Predicate matches) {
  const auto* found = std::find_if(kTypes.begin(), kTypes.end(), matches);
  return found == kTypes.end() ? nullptr : found;
}

}  // namespace

std::span<const DTypeInfo> all_dtypes() {
  return kTypes;
}

const DTypeInfo& info(DType dtype) {
  return kTypes[static_cast<std::size_t>(dtype)];
}

const DTypeInfo* find_dtype(std::string_view name) {
  return find([name](const DTypeInfo& type) { return type.name == name; });
}

const DTypeInfo* find_ggml_type(std::uint32_t ggml_type) {
  return find([ggml_type](const DTypeInfo& type) {
    return type.ggml_type >= 0 && static_cast<std::uint32_t>(type.ggml_type) == ggml_type;
  });
}

const DTypeInfo* find_safetensors_dtype(std::string_view name) {
  return find([name](const DTypeInfo& type) { return !name.empty() && type.safetensors == name; });
}

std::string ggml_type_name(std::uint32_t ggml_type) {
  if (const DTypeInfo* known = find_ggml_type(ggml_type)) return std::string(known->name);
  for (const OtherType& other : kOtherTypes) {
    if (other.ggml_type == ggml_type) return std::string(other.name);
  }
  return fmt::format("type {}", ggml_type);
}

bool is_float(DType dtype) {
  return dtype <= DType::f64;
}

bool is_quantized(DType dtype) {
  return info(dtype).block > 1;
}

std::optional<std::uint64_t> row_bytes(DType dtype, std::uint64_t n) {
  const DTypeInfo& type = info(dtype);
  if (n % type.block != 0) return std::nullopt;
  const auto blocks = checked_mul(n / type.block, type.block_bytes);
  return blocks ? checked_add(*blocks, type.row_header) : std::nullopt;
}

void decode_whole_rows(const DTypeInfo& type, const std::byte* src, float* dst, std::size_t rows,
                       std::size_t columns) {
  if (type.row_header == 0) return type.decode(src, dst, rows * columns);
  const std::size_t bytes = row_bytes(type.dtype, columns).value();
  for (std::size_t row = 0; row < rows; ++row) {
    type.decode(src + row * bytes, dst + row * columns, columns);
  }
}

void encode_whole_rows(const DTypeInfo& type, const float* src, std::byte* dst, std::size_t rows,
                       std::size_t columns) {
  if (type.row_header == 0) return type.encode(src, dst, rows * columns);
  const std::size_t bytes = row_bytes(type.dtype, columns).value();
  for (std::size_t row = 0; row < rows; ++row) {
    type.encode(src + row * columns, dst + row * bytes, columns);
  }
}

}  // namespace halfbyte
