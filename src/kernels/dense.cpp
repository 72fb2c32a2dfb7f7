#include "kernels/dense.h"

#include <algorithm>

namespace halfbyte {
namespace {

constexpr std::size_t tiles_along(std::size_t length) {
  return (length + kDenseTile - 1) / kDenseTile;
}

}  // namespace

std::size_t dense_tiles(const DenseProduct& product, DensePart part) {
  const std::size_t down = tiles_along(product.m);
  return part == DensePart::all ? down * tiles_along(product.n) : down * (down + 1) / 2;
}

DenseProduct dense_window(const DenseProduct& product, std::size_t row, std::size_t m,
                          std::size_t column, std::size_t n) {
  DenseProduct window = product;
  window.a.data += row * product.a.row_stride;
  window.b.data += column * product.b.column_stride;
  window.c += row * product.stride + column;
  window.m = m;
  window.n = n;
  return window;
}

DenseProduct dense_tile(const DenseProduct& product, DensePart part, std::size_t index) {
  std::size_t i = 0;
  std::size_t j = index;
  if (part == DensePart::all) {
    i = index / tiles_along(product.n);
    j = index % tiles_along(product.n);
  } else {
    while (j > i) j -= ++i;  // row i of the lower triangle has i + 1 tiles
    if (part == DensePart::upper) std::swap(i, j);
  }
  i *= kDenseTile;
  j *= kDenseTile;
  return dense_window(product, i, std::min(kDenseTile, product.m - i), j,
                      std::min(kDenseTile, product.n - j));
}

}  // namespace halfbyte
