// The row codecs that the dtype table names, one file below for each close family of formats.
//
// decode_X: dst[n] = src decoded. encode_X: dst = src[n] rounded to nearest, byte for byte what
// ggml's reference quantizer writes. encode_weighted_X: the same with importance[n], see
// EncodeWeighted. n is a multiple of the block; encoded bytes need no alignment
// and must not overlap the floats. Numbers are little-endian.
#pragma once

#include <cstddef>

namespace halfbyte::blocks {

// row_int8.cpp: a whole row, an f32 scale and a signed byte an element
void decode_row_int8(const std::byte* src, float* dst, std::size_t n);
void encode_row_int8(const float* src, std::byte* dst, std::size_t n);

// row_int4.cpp: a whole row, an f32 scale and 4 bits an element in groups with integer scales
void decode_row_int4(const std::byte* src, float* dst, std::size_t n);
void encode_row_int4(const float* src, std::byte* dst, std::size_t n);
void encode_weighted_row_int4(const float* src, const float* importance, std::byte* dst,
                              std::size_t n);

// plain.cpp
void decode_f32(const std::byte* src, float* dst, std::size_t n);
void decode_f16(const std::byte* src, float* dst, std::size_t n);
void decode_bf16(const std::byte* src, float* dst, std::size_t n);
void decode_f64(const std::byte* src, float* dst, std::size_t n);
void decode_i8(const std::byte* src, float* dst, std::size_t n);
void decode_u8(const std::byte* src, float* dst, std::size_t n);
void decode_i16(const std::byte* src, float* dst, std::size_t n);
void decode_i32(const std::byte* src, float* dst, std::size_t n);
void encode_f32(const float* src, std::byte* dst, std::size_t n);
void encode_f16(const float* src, std::byte* dst, std::size_t n);
void encode_bf16(const float* src, std::byte* dst, std::size_t n);

// q4.cpp, q5.cpp, q8.cpp: blocks of 32
void decode_q4_0(const std::byte* src, float* dst, std::size_t n);
void decode_q4_1(const std::byte* src, float* dst, std::size_t n);
void decode_q5_0(const std::byte* src, float* dst, std::size_t n);
void decode_q5_1(const std::byte* src, float* dst, std::size_t n);
void decode_q8_0(const std::byte* src, float* dst, std::size_t n);
void encode_q4_0(const float* src, std::byte* dst, std::size_t n);
void encode_q4_1(const float* src, std::byte* dst, std::size_t n);
void encode_q5_0(const float* src, std::byte* dst, std::size_t n);
void encode_q5_1(const float* src, std::byte* dst, std::size_t n);
void encode_q8_0(const float* src, std::byte* dst, std::size_t n);
void encode_weighted_q4_0(const float* src, const float* importance, std::byte* dst, std::size_t n);
void encode_weighted_q4_1(const float* src, const float* importance, std::byte* dst, std::size_t n);
void encode_weighted_q5_0(const float* src, const float* importance, std::byte* dst, std::size_t n);
void encode_weighted_q5_1(const float* src, const float* importance, std::byte* dst, std::size_t n);
void encode_weighted_q8_0(const float* src, const float* importance, std::byte* dst, std::size_t n);

// q2_k.cpp, q3_k.cpp, q4_k.cpp (with q5_k), q6_k.cpp: superblocks of 256
void decode_q2_k(const std::byte* src, float* dst, std::size_t n);
void decode_q3_k(const std::byte* src, float* dst, std::size_t n);
void decode_q4_k(const std::byte* src, float* dst, std::size_t n);
void decode_q5_k(const std::byte* src, float* dst, std::size_t n);
void decode_q6_k(const std::byte* src, float* dst, std::size_t n);
void encode_q2_k(const float* src, std::byte* dst, std::size_t n);
void encode_q3_k(const float* src, std::byte* dst, std::size_t n);
void encode_q4_k(const float* src, std::byte* dst, std::size_t n);
void encode_q5_k(const float* src, std::byte* dst, std::size_t n);
void encode_q6_k(const float* src, std::byte* dst, std::size_t n);
void encode_weighted_q2_k(const float* src, const float* importance, std::byte* dst, std::size_t n);
void encode_weighted_q3_k(const float* src, const float* importance, std::byte* dst, std::size_t n);
void encode_weighted_q4_k(const float* src, const float* importance, std::byte* dst, std::size_t n);
void encode_weighted_q5_k(const float* src, const float* importance, std::byte* dst, std::size_t n);
void encode_weighted_q6_k(const float* src, const float* importance, std::byte* dst, std::size_t n);

// iq4.cpp: 4-bit indices into a table of 16 levels
void decode_iq4_nl(const std::byte* src, float* dst, std::size_t n);
void decode_iq4_xs(const std::byte* src, float* dst, std::size_t n);
void encode_iq4_nl(const float* src, std::byte* dst, std::size_t n);
void encode_iq4_xs(const float* src, std::byte* dst, std::size_t n);
void encode_weighted_iq4_nl(const float* src, const float* importance, std::byte* dst,
                            std::size_t n);
void encode_weighted_iq4_xs(const float* src, const float* importance, std::byte* dst,
                            std::size_t n);

// groups.cpp: groups with a zero point (tensor/group_types.h), rounded as GPTQ does
constexpr std::size_t group_block_bytes(unsigned bits, std::size_t group) {
  return 3 + group * bits / 8;
}
template <unsigned kBits, std::size_t kGroup>
void decode_groups(const std::byte* src, float* dst, std::size_t n);
template <unsigned kBits, std::size_t kGroup>
void encode_groups(const float* src, std::byte* dst, std::size_t n);

}  // namespace halfbyte::blocks
