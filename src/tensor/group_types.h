// Types whose groups have an integer zero point: w2g32 ... w8g128, which hold what AutoAWQ, GPTQ
// and compressed-tensors files hold.
//
//   value = scale * (code - zero)
//
// computed as scale * (code - h) - scale * (zero - h) with h = 2^(bits - 1), exactly, since scales
// are halves. Files without zero points ("symmetric") have zero = h. A row is a sequence of blocks,
// one a group:
//
//   f16 scale, u8 zero, then for every 32 elements the bit planes of their codes, low bits first
//   (w3: 2 + 1). A plane's byte j of word c (4 bytes) holds the elements 4s + j of the steps s:
//     8 bits  s = c
//     4 bits  s = c in the low nibble, c + 4 in the high one (the nibbles of q4_0)
//     2 bits  s = 4c + i in bits 2i
//     1 bit   s = i in bit i
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

#include "tensor/dtype.h"

namespace halfbyte {

struct GroupType {
  DType dtype;
  unsigned bits;      // of a code: 2, 3, 4, 8
  std::size_t group;  // elements that share scale and zero: 32, 64, 128
};

std::span<const GroupType> all_group_types();
const GroupType* find_group_type(DType dtype);                       // nullptr: another type
const GroupType* find_group_type(unsigned bits, std::size_t group);  // nullptr: there is none

struct GroupScale {
  std::uint16_t scale = 0;  // a half
  std::uint8_t zero = 0;

  bool operator==(const GroupScale&) const = default;
};

// What the scales of a matrix keep to, beyond what its type asks.
struct ScaleRules {
  bool symmetric = false;       // every zero is 2^(bits - 1)
  bool by_row = false;          // all groups of a row have the same scale and zero
  bool positive_zeros = false;  // no zero is 0, which GPTQ's first version cannot store

  bool cover(ScaleRules asked) const {
    return (symmetric || !asked.symmetric) && (by_row || !asked.by_row) &&
           (positive_zeros || symmetric || !asked.positive_zeros);
  }
  bool any() const { return symmetric || by_row || positive_zeros; }
};

// One block, from and to codes[group] of a byte each.
void pack_group(const GroupType& type, GroupScale scale, const std::uint8_t* codes, std::byte* dst);
GroupScale unpack_group(const GroupType& type, const std::byte* block, std::uint8_t* codes);
GroupScale scale_of_group(const std::byte* block);

// dst = src[n] rounded to nearest, whole groups; by row: one row. Asymmetric as GPTQ's quantizer
// does it, which is also DTypeInfo::encode: scale from min(0, least) to max(0, greatest).
// Symmetric: scale = 2 max|x| / (2^bits - 1), zero = 2^(bits - 1). The scale is rounded to a half
// first and then used.
void encode_groups(const GroupType& type, ScaleRules rules, const float* src, std::byte* dst,
                   std::size_t n);

}  // namespace halfbyte
