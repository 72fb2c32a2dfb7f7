// Packed weights: the one order in which kernels read a weight matrix, in memory and in a bundle.
//
// A matrix [n outputs, k inputs] becomes ceil(n/16) panels of 16 outputs (the last one padded with
// zero blocks). Inside a panel the inputs follow each other in blocks (32 inputs for q4_0 ... q8_0
// and iq4_nl, w8a8, int8 and w4a8, 256 for the K-quants and iq4_xs, the group for w2g32 ... w8g128,
// 1 for f32, f16, bf16). A block holds, for its 16 outputs side by side, first the scales, then the
// codes:
//
//   scales    f16 d[16]; then, in types with a min, f16 m[16] or dmin[16]; then, in 256-blocks,
//             8-bit sub-scales [group][16] (q4_k, q5_k: u8, its 6 bits; q6_k: i8; q3_k, iq4_xs: i8,
//             its 6 bits minus 32; q2_k: the byte scale | min << 4), then for q4_k and q5_k the
//             6-bit sub-mins as u8 [group][16]. w2g32 ... w8g128: f16 d[16], u8 zero[16]. w4a8: the
//             bytes scale - 1 | zero << 4 [16], without d
//   codes     for every 32 inputs the planes of their bits, high bits last: 4, 4+1, 4+2, 8, 2, 2+1.
//             32 inputs are 8 steps of 4 inputs x 16 outputs; byte o*4+i of a step is input
//             4*step+i of output o, which is what a 4-way dot product instruction (VNNI, AMX,
//             dotprod, i8mm) takes
//     8 bits  8 x 64 bytes, one step each, as unsigned codes (q8_0, w8a8, int8: signed + 128)
//     4 bits  4 x 64 bytes: low nibbles are step s, high nibbles step s + 4
//     2 bits  2 x 64 bytes: bits 2j of chunk c are step 4c + j
//     1 bit   64 bytes: bit s is step s
//   floats    f32, f16, bf16: the 16 outputs of each input, [k][16]
//
// w8a8, int8 and w4a8 have no float scales in their blocks, but one an output before all blocks of
// a panel: f32 [16].
//
// Every weight is  scale * (code - offset) - min  with an unsigned code and an integer offset, so
// one integer kernel serves all types (iq4_nl and iq4_xs: code = kIq4Codes[4-bit code]; types with
// zero points: offset = 2^(bits - 1), min = d * (zero - offset), which is exact in f32; w4a8: code
// = (4-bit code - zero) * scale + 128 in 8 bits). Packing is a bijection: unpack gives the file's
// bytes back. Packed blocks are at most 4 % larger.
#pragma once

#include <cstdint>
#include <span>
#include <string_view>

#include "base/bytes.h"
#include "kernels/iq4_codes.h"
#include "kernels/packed_matrix.h"
#include "tensor/view.h"

namespace halfbyte {

// The 8-bit sub-scales of a block: none, unsigned, signed, or scale | min << 4. zero: no sub-scale,
// but one zero point that all groups of the block share, as they share d. row: no scales at all in
// the block, but one a row. row_integers: the same, and in the block integers that change codes.
enum class SubScale : std::uint8_t { none, u8, i8, nibbles, zero, row, row_integers };

// One row of the layout table. The fields from `group` to `table` describe quantized types.
struct PackedFormat {
  DType dtype;
  std::uint32_t block;        // inputs a block
  std::uint32_t block_bytes;  // bytes of a block of one panel (16 outputs)
  std::uint32_t group;        // inputs of one scale, as kernels take them: 32 or 16; 0 for floats
  std::int32_t offset;        // subtracted from each unsigned code; 0 for floats
  std::uint32_t bits;         // of a stored code: 2, 3, 4, 5, 6, 8
  bool has_min;
  SubScale sub_scale;
  bool table;  // codes go through kIq4Codes
  // src: 16 rows in the file's format, one pointer each; dst: a panel.
  void (*pack)(const std::byte* const src[16], std::byte* dst, std::size_t blocks);
  void (*unpack)(const std::byte* src, std::byte* const dst[16], std::size_t blocks);
  float outliers = kNoOutliers;    // inputs of at least this magnitude are multiplied in f32
  std::uint32_t panel_header = 0;  // bytes before the blocks of a panel
};

constexpr std::string_view kPackedLayout = "p16";  // its name in a bundle

std::span<const PackedFormat> all_packed_formats();
const PackedFormat* find_packed_format(DType dtype);  // nullptr: this type cannot be packed

// Bytes of a packed matrix. Fails with kUnsupported where the type cannot be packed or k is no
// multiple of its block or, of types with a scale a row, longer than kMaxTokenInputs, or the size
// overflows.
std::uint64_t packed_bytes(DType dtype, std::uint64_t n, std::uint64_t k);
// Packs panels [begin, end) of `source` (2-D, [n, k]) to dst, which receives panel `begin` first.
// Different ranges may be packed by different threads.
void pack_panels(const TensorView& source, std::uint64_t begin, std::uint64_t end, std::byte* dst);
// The inverse: rows [16*begin, min(n, 16*end)) in the type's own row format.
void unpack_panels(const PackedMatrix& packed, std::uint64_t begin, std::uint64_t end,
                   std::byte* dst);
// One output's inputs as f32 [k] (an embedding row out of a head's matrix).
void unpack_row(const PackedMatrix& packed, std::uint64_t row, float* dst);

// Decodes outputs [begin, end) of a panel's quantized block of that index. codes: [block/4][16
// outputs][4 inputs]; scales, mins: [block/group][16]. Other outputs' places are left alone.
void decode_codes(const PackedFormat& format, const std::byte* panel, std::size_t index,
                  std::size_t begin, std::size_t end, std::uint8_t* codes, float* scales,
                  float* mins) noexcept;
// The same as f32, any type: dst[i * 16 + o] for the block's inputs i.
void decode_block(const PackedFormat& format, const std::byte* panel, std::size_t index,
                  std::size_t begin, std::size_t end, float* dst) noexcept;

constexpr std::size_t kMaxBlock = 256;  // inputs
constexpr std::size_t kMaxGroups = 16;  // groups a block
// The longest row whose integer sum, of products up to 128 * 127, fits 32 bits for sure.
constexpr std::uint64_t kMaxTokenInputs = std::uint64_t{1} << 17;

}  // namespace halfbyte
