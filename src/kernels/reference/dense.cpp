#include "kernels/reference/dense.h"

#include <algorithm>

namespace halfbyte::reference {
namespace {

float dot(const DenseProduct& t, std::size_t i, std::size_t j, std::size_t begin, std::size_t end) {
  const float* a = t.a.data + i * t.a.row_stride;
  const float* b = t.b.data + j * t.b.column_stride;
  float sum = 0.0f;
  for (std::size_t p = begin; p < end; ++p) {
    sum += a[p * t.a.column_stride] * b[p * t.b.row_stride];
  }
  return sum;
}

}  // namespace

void dense_multiply(const DenseProduct& product, std::byte* /*scratch*/) noexcept {
  for (std::size_t p = 0; p < product.k; p += kDenseDepth) {
    const std::size_t end = std::min(product.k, p + kDenseDepth);
    for (std::size_t i = 0; i < product.m; ++i) {
      float* c = product.c + i * product.stride;
      for (std::size_t j = 0; j < product.n; ++j) {
        const float sum = dot(product, i, j, p, end);
        c[j] = product.subtract ? c[j] - sum : c[j] + sum;
      }
    }
  }
}

}  // namespace halfbyte::reference
