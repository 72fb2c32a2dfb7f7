// Packed weights: the one order in which kernels read a weight matrix, in memory and in a bundle.
//
// A matrix [n outputs, k inputs] becomes ceil(n/16) panels of 16 outputs (the last one padded with
// zero codes and zero scales). Inside a panel the inputs follow each other in blocks (32 inputs for
// q4_0 ... q8_0 and iq4_nl, 256 for the K-quants and iq4_xs, 1 for f32, f16, bf16). A block holds,
// for its 16 outputs side by side, first the scales, then the code planes:
//
//   scales    f16 d[16], f16 dmin or m[16] where the type has one; K-quants: 8-bit sub-scales
//             [group][16] (q4_k, q5_k: 6-bit scales then 6-bit mins; q6_k: i8; q3_k: i8, its 6 bits
//             minus 32; q2_k: the byte scale | min << 4; iq4_xs: i8, its 6 bits minus 32)
//   codes     groups of 32 inputs, each as 8 steps of 4 inputs x 16 outputs: byte o*4+i of a step
//   is
//             input 4*step+i of output o, which is what a 4-way dot product instruction (VNNI, AMX,
//             dotprod, i8mm) takes
//     8 bits  8 steps of 64 bytes, as unsigned codes (q8_0: signed code + 128)
//     4 bits  4 x 64 bytes: low nibbles are step s, high nibbles step s + 4
//     2 bits  2 x 64 bytes: bits 2j of chunk c are step 4c + j
//     1 bit   8 x 8 bytes: bit o*4+i of u64 s belongs to step s (fifth bit of q5_*, third of q3_k)
//             q6_k: 4-bit plane of the low bits, then 2-bit plane of the high bits
//   floats    f32, f16, bf16: the 16 outputs of each input, [k][16]
//
// Every weight is  scale * (code - offset) - min  with an unsigned code and an integer offset, so
// one integer kernel serves all types. Packing is a bijection: unpack gives the file's bytes back.
#pragma once

#include <cstdint>
#include <string_view>

#include "base/bytes.h"
#include "tensor/view.h"

namespace halfbyte {

constexpr std::uint64_t kPanel = 16;  // outputs a panel

// One row of the layout table.
struct PackedFormat {
  DType dtype;
  std::uint32_t block;        // inputs a block
  std::uint32_t block_bytes;  // bytes of a block of one panel (16 outputs)
  std::uint32_t group;        // inputs that share a scale: 32 or 16; 0 for floats
  std::int32_t offset;        // subtracted from each unsigned code; 0 for floats
  // src: 16 rows' blocks, one pointer each (rows past n point to zero blocks); dst: block_bytes.
  void (*pack_block)(const std::byte* const src[16], std::byte* dst);
  void (*unpack_block)(const std::byte* src, std::byte* const dst[16]);
};

constexpr std::string_view kPackedLayout = "p16";  // its name in a bundle

const PackedFormat* find_packed_format(DType dtype);  // nullptr: this type cannot be packed

// A view of packed weights. data is 64-byte aligned and holds packed_bytes() bytes.
struct PackedMatrix {
  DType dtype = DType::f32;
  std::uint64_t n = 0;  // outputs
  std::uint64_t k = 0;  // inputs
  const std::byte* data = nullptr;

  std::uint64_t panels() const { return (n + kPanel - 1) / kPanel; }
  std::uint64_t panel_bytes() const;
  const std::byte* panel(std::uint64_t index) const { return data + index * panel_bytes(); }
};

std::uint64_t packed_bytes(DType dtype, std::uint64_t n, std::uint64_t k);
// Packs panels [begin, end) of `source` (2-D, [n, k]) to dst, which receives panel `begin` first.
// Different ranges may be packed by different threads.
void pack_panels(const TensorView& source, std::uint64_t begin, std::uint64_t end, std::byte* dst);
// The inverse: rows [16*begin, min(n, 16*end)) in the type's own row format.
void unpack_panels(const PackedMatrix& packed, std::uint64_t begin, std::uint64_t end,
                   std::byte* dst);
// One output's inputs as f32 [k] (an embedding row out of a head's matrix).
void unpack_row(const PackedMatrix& packed, std::uint64_t row, float* dst);

}  // namespace halfbyte
