// Contracts of the linear kernels: y[m, o] = sum over i of w[o, i] * x[m, i].
//
// Weights are packed (kernels/packed.h). A kernel computes whole panels for all rows, so threads
// share a matrix by panels and the result does not depend on their number. For one ISA the value of
// y[m, o] does not depend on how many rows are computed with it either.
#pragma once

#include <cstddef>
#include <cstdint>

#include "kernels/generic/compiler.h"
#include "kernels/packed_matrix.h"

namespace halfbyte {

// An input that sticks out of its group: it is multiplied in f32.
struct Outlier {
  std::uint32_t input;
  float value;
};

// Inputs quantized to 8 bits in groups of 32: x[m, i] ~ scale * code, with scale = max|x| / 127
// over the group and codes rounded to nearest, ties to even, in [-127, 127]; with them the sums of
// the codes of each 16 inputs (to subtract offsets and mins). k is a multiple of 32.
//
// Where the largest magnitude of a group is more than kOutlierRatio times the mean of those of its
// row, that input (the first one, if there are several) is an outlier: the group is quantized as if
// it were 0.
//
// Codes, scales and sums lie in the order in which kernels read them: blocks of 16 rows (the last
// one of those that are left), in which inputs come first and rows last. One row is thus as if
// there were no blocks.
struct QuantizedRows {
  std::size_t rows = 0;
  std::size_t k = 0;
  std::int8_t* codes = nullptr;  // [block][k/4][rows of the block][4], 64-byte aligned
  float* scales = nullptr;       // [block][k/32][rows of the block]
  std::int32_t* sums = nullptr;  // [block][k/16][rows of the block]
  Outlier* outliers = nullptr;   // [rows][k/32 + 1]: ascending, and one at input k that ends them
};
constexpr std::size_t kQuantizedRows = 16;  // a block
constexpr float kOutlierRatio = 2.0f;
constexpr std::size_t outlier_places(std::size_t rows, std::size_t k) {
  return rows * (k / 32 + 1);
}

// A row, and those after it in its block: inputs [4 s, 4 s + 4) at codes + 4 s * stride, the scale
// of group g at scales[g * stride], sum j at sums[j * stride].
struct QuantizedRow {
  std::int8_t* codes;
  float* scales;
  std::int32_t* sums;
  std::size_t stride;  // rows of the block
  Outlier* outliers;   // of the row alone
};
HALFBYTE_INLINE QuantizedRow quantized_row(const QuantizedRows& x, std::size_t row) {
  const std::size_t block = row / kQuantizedRows * kQuantizedRows;
  const std::size_t left = x.rows - block;
  return {x.codes + block * x.k + (row - block) * 4, x.scales + block * (x.k / 32) + row - block,
          x.sums + block * (x.k / 16) + row - block, left < kQuantizedRows ? left : kQuantizedRows,
          x.outliers + row * (x.k / 32 + 1)};
}

// Inputs rounded to bfloat16, in the order in which tiles read them: blocks of 16 rows; in a block
// steps of 32 inputs; in a step [16 rows][32 inputs]. Inputs past k in the last step are zero, rows
// past the end may hold anything. words are 64-byte aligned.
struct Bf16Rows {
  std::size_t rows = 0;
  std::size_t k = 0;
  std::uint16_t* words = nullptr;  // [ceil(rows/16)][ceil(k/32)][16][32]
};
constexpr std::size_t kBf16Rows = 16;    // a block
constexpr std::size_t kBf16Inputs = 32;  // a step
constexpr std::size_t bf16_words(std::size_t rows, std::size_t k) {
  return (rows + kBf16Rows - 1) / kBf16Rows * kBf16Rows * ((k + kBf16Inputs - 1) / kBf16Inputs) *
         kBf16Inputs;
}

// Inputs quantized to 8 bits with one scale a row (a token): x[m, i] ~ scales[m] * codes[m, i],
// with scale = max|x| / 127 and codes as in QuantizedRows. k is a multiple of 32.
//
// Codes lie in the order in which kernels read them: blocks of 16 rows (the last one of those that
// are left); in a block steps of 64 inputs; in a step [rows of the block][64 inputs]. Inputs past k
// are zero.
//
// Outliers, where they are taken out (LLM.int8(), Dettmers et al. 2022): the inputs with |x| >= a
// limit. Their codes are 0, the maximum is that of the others, and they are multiplied in f32.
struct TokenRows {
  std::size_t rows = 0;
  std::size_t k = 0;
  std::int8_t* codes = nullptr;       // token_codes(rows, k), 64-byte aligned
  float* scales = nullptr;            // [rows]
  std::int32_t* sums = nullptr;       // [rows], of all codes
  std::uint32_t* outliers = nullptr;  // [rows][k/32], bit i % 32 of word i / 32; nullptr: none
  const float* x = nullptr;           // the inputs themselves, for outliers
  std::size_t x_stride = 0;           // floats from row to row
};
constexpr std::size_t kTokenRows = 16;    // a block
constexpr std::size_t kTokenInputs = 64;  // a step
constexpr std::size_t token_codes(std::size_t rows, std::size_t k) {
  return rows * ((k + kTokenInputs - 1) / kTokenInputs) * kTokenInputs;
}

struct LinearOutput {
  float* y = nullptr;      // [rows, n]; columns [16*begin, min(n, 16*end)) are written
  std::size_t stride = 0;  // floats from row to row
};

// Panels [begin, end). `scratch` is this thread's own, 64-byte aligned, linear_scratch_bytes(k)
// long. Quantized weight types; exact integer sums in each group, groups added in f32 in ascending
// order, the outliers of some groups (each ISA has its own number) after them. Weights are finite.
using LinearInt8 = void (*)(const PackedMatrix& w, std::uint64_t begin, std::uint64_t end,
                            const QuantizedRows& x, const LinearOutput& out,
                            std::byte* scratch) noexcept;
// f32, f16, bf16 and, for exactness checks, quantized types decoded to f32. x is f32 [rows, k] with
// x_stride floats from row to row. Sums are in f32.
using LinearF32 = void (*)(const PackedMatrix& w, std::uint64_t begin, std::uint64_t end,
                           const float* x, std::size_t x_stride, std::size_t rows,
                           const LinearOutput& out, std::byte* scratch) noexcept;

// Types with one scale a row, against inputs with one scale a row: an exact integer sum over all
// inputs, then y = sum * (scale of the output * scale of the row); where a row has outliers,
// y += scale of the output * their products with codes, in f32, inputs ascending.
using LinearToken = void (*)(const PackedMatrix& w, std::uint64_t begin, std::uint64_t end,
                             const TokenRows& x, const LinearOutput& out,
                             std::byte* scratch) noexcept;

// Weights rounded to bfloat16 too: f16 and bf16 weights, and quantized ones decoded. Products are
// exact, sums are in f32; their order is the instruction's own, inputs ascending in pairs. The bits
// of y[m, o] do not depend on the other rows.
using LinearBf16 = void (*)(const PackedMatrix& w, std::uint64_t begin, std::uint64_t end,
                            const Bf16Rows& x, const LinearOutput& out,
                            std::byte* scratch) noexcept;

// Bytes of scratch that any linear kernel may use for k inputs.
std::size_t linear_scratch_bytes(std::uint64_t k);

// What kernels put there, for all instruction sets: what they make of a block of rows and, in
// prefill, a slab of decoded weights: kSlabPanels panels of kSlabCodes inputs (codes and scales) or
// kSlabInputs inputs (f32). A slab stays in the L2 cache while all rows pass.
constexpr std::size_t kDecodeRows = 16;  // that share one read of the weights
constexpr std::size_t kTileRows = 16;    // of f32 inputs
// Of the integer kernels, a block of rows: start values and factors of the mins for each 16 inputs,
// and the outliers of tiles of up to kMostTileRows rows, one a row and group, and their inputs.
constexpr std::size_t kMostTileRows = 8;
constexpr std::size_t block_scratch_bytes(std::size_t groups) {
  const std::size_t most = kQuantizedRows * groups;
  return most * (2 * sizeof(std::int32_t) + 2 * sizeof(float) + kMostTileRows * sizeof(float)) +
         (most + kQuantizedRows) * sizeof(std::uint32_t);
}
constexpr std::size_t kSlabPanels = 16;
constexpr std::size_t kSlabCodes = 1024;  // a multiple of any block
constexpr std::size_t kSlabInputs = 512;
// Of weights of types with a scale a row that stay in the L2 cache; at least two panels do.
constexpr std::size_t kTokenSlabBytes = std::size_t{256} << 10;
// The slab of the bfloat16 kernels: half a megabyte.
constexpr std::size_t kBf16SlabPanels = 16;
constexpr std::size_t kBf16SlabInputs = 1024;

}  // namespace halfbyte
