// Element types of tensors: one table, one row a type.
//
// A block type packs `block` consecutive elements of a row (its last dimension) into `block_bytes`.
// Plain types have block == 1. A type may also put something before the blocks of each row
// (`row_header`): w8a8, int8 and w4a8 have one scale a row there. Source of ids and layouts: the
// GGUF specification and ggml's published block formats.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>

namespace halfbyte {

enum class DType : std::uint8_t {
  f32,
  f16,
  bf16,
  f64,
  i8,
  u8,
  i16,
  i32,
  i64,
  boolean,
  q4_0,
  q4_1,
  q5_0,
  q5_1,
  q8_0,
  q2_k,
  q3_k,
  q4_k,
  q5_k,
  q6_k,
  iq4_nl,
  iq4_xs,
  // tensor/group_types.h
  w2g32,
  w2g64,
  w2g128,
  w3g32,
  w3g64,
  w3g128,
  w4g32,
  w4g64,
  w4g128,
  w8g32,
  w8g64,
  w8g128,
  // tensor/blocks/row_int8.cpp: an f32 scale, then signed bytes. The same weights, multiplied with
  // inputs quantized by token: all of them, or (LLM.int8()) without their outliers.
  w8a8,
  int8,
  // tensor/blocks/row_int4.cpp: an f32 scale, then groups of 4-bit codes that an integer scale and
  // a zero point of each group turn into signed bytes; inputs as w8a8's.
  w4a8,
};

// dst[n] = src decoded; n is a multiple of the block. src need not be aligned. Of a type with a row
// header n is one whole row, here and below (encode_whole_rows and decode_whole_rows take many).
using DecodeRow = void (*)(const std::byte* src, float* dst, std::size_t n);
// dst = src[n] rounded to nearest, exactly as ggml's reference quantizer does it (types with zero
// points: as GPTQ's does).
using EncodeRow = void (*)(const float* src, std::byte* dst, std::size_t n);

// The same for one whole row of n elements that matter differently: importance[n] is the mean
// square of each input that an element is multiplied with, as ggml's quantizer takes it (an
// imatrix). Types with zero points: scale and zero by search for the least weighted error.
using EncodeWeighted = void (*)(const float* src, const float* importance, std::byte* dst,
                                std::size_t n);

struct DTypeInfo {
  DType dtype;
  std::string_view name;                     // "q4_0": as the command line and reports spell it
  std::uint32_t block;                       // elements a block
  std::uint32_t block_bytes;                 // bytes a block
  std::int32_t ggml_type;                    // id in GGUF, -1 if it has none
  std::string_view safetensors;              // name in safetensors, "" if it has none
  DecodeRow decode;                          // nullptr for types that are never weights
  EncodeRow encode;                          // nullptr where there is no round-to-nearest encoder
  EncodeWeighted encode_weighted = nullptr;  // nullptr where importance is of no use
  std::uint32_t row_header = 0;              // bytes before the blocks of each row
};

std::span<const DTypeInfo> all_dtypes();
const DTypeInfo& info(DType dtype);
inline std::string_view name(DType dtype) {
  return info(dtype).name;
}
const DTypeInfo* find_dtype(std::string_view name);        // nullptr if unknown
const DTypeInfo* find_ggml_type(std::uint32_t ggml_type);  // nullptr if not supported
const DTypeInfo* find_safetensors_dtype(std::string_view name);
// The published name of any ggml type id, also of those halfbyte does not read ("iq2_xxs");
// "type 77" for unknown ids.
std::string ggml_type_name(std::uint32_t ggml_type);

bool is_float(DType dtype);      // f32, f16, bf16, f64
bool is_quantized(DType dtype);  // block types
// Bytes of a row of n elements; nullopt where n is no multiple of the block, or on overflow.
std::optional<std::uint64_t> row_bytes(DType dtype, std::uint64_t n);

// `rows` rows of `columns` elements each, side by side.
void decode_whole_rows(const DTypeInfo& type, const std::byte* src, float* dst, std::size_t rows,
                       std::size_t columns);
void encode_whole_rows(const DTypeInfo& type, const float* src, std::byte* dst, std::size_t rows,
                       std::size_t columns);

}  // namespace halfbyte
