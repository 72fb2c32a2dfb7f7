// Dense products in AVX2: kernels/generic/dense.inl over this folder's vectors.
#include "kernels/isa/avx2/dense.h"

#include "kernels/generic/compiler.h"
#include "kernels/isa/avx2/vec.h"

namespace halfbyte {
namespace {
#include "kernels/generic/unroll.inl"
// In this order.
#include "kernels/generic/dense.inl"
}  // namespace

void avx2_dense_multiply(const DenseProduct& product, std::byte* scratch) noexcept {
  dense_multiply(product, scratch);
}

}  // namespace halfbyte
