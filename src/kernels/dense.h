// Contracts of dense f32 products, C += A B and C -= A B: Gram matrices of activations, and the
// updates of factorizations and solvers.
//
// A transposed operand is one with its strides exchanged. Threads share a product by tiles of C
// (dense_tile), each with scratch of its own.
#pragma once

#include <cstddef>
#include <cstdint>

namespace halfbyte {

// Element (i, j) is data[i * row_stride + j * column_stride]; one of the strides is 1.
struct DenseOperand {
  const float* data = nullptr;
  std::size_t row_stride = 0;
  std::size_t column_stride = 1;
};
inline DenseOperand transposed(const DenseOperand& x) {
  return {x.data, x.column_stride, x.row_stride};
}

struct DenseProduct {
  DenseOperand a;          // [m, k]
  DenseOperand b;          // [k, n]
  float* c = nullptr;      // [m, n]; shares no element with a and b
  std::size_t stride = 0;  // floats from row to row of c
  std::size_t m = 0;
  std::size_t n = 0;
  std::size_t k = 0;
  bool subtract = false;
};

// Sums run over at most so many inputs before they are added to C.
constexpr std::size_t kDenseDepth = 256;

// For each c[i, j] and each run of kDenseDepth inputs, in ascending order: the run's products are
// summed in f32, one after another from zero, and the sum is added to (subtracted from) c[i, j]. So
// for one ISA its bits do not depend on m, n, or who computes the rest. NaN in gives NaN out.
// Kernels that compute in bfloat16 round each number of A and B to it first, and add the products
// in pairs.
// `scratch` is this thread's own, 64-byte aligned, kDenseScratchBytes long.
using DenseMultiply = void (*)(const DenseProduct& product, std::byte* scratch) noexcept;

// What kernels put there: a block of B in the order of use, and the same of a few rows of A.
constexpr std::size_t kDenseColumns = 256;
constexpr std::size_t kDenseRows = 16;  // at most
constexpr std::size_t kDenseScratchBytes =
    kDenseDepth * (kDenseColumns + kDenseRows) * sizeof(float);

// The tiles of C that are computed: all, or those that meet one triangle (its other half is written
// in the tiles on the diagonal only; m == n).
enum class DensePart : std::uint8_t { all, lower, upper };
constexpr std::size_t kDenseTile = 192;  // rows and columns

std::size_t dense_tiles(const DenseProduct& product, DensePart part);
// The product that computes tile `index` of dense_tiles() alone.
DenseProduct dense_tile(const DenseProduct& product, DensePart part, std::size_t index);
// Rows [row, row + m) and columns [column, column + n) of C.
DenseProduct dense_window(const DenseProduct& product, std::size_t row, std::size_t m,
                          std::size_t column, std::size_t n);

}  // namespace halfbyte
