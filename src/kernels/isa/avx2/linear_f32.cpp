// Linear kernels in f32.
#include <cstring>

#include <immintrin.h>

#include "kernels/generic/compiler.h"
#include "kernels/iq4_codes.h"
#include "kernels/isa/avx2/linear.h"

#define HALFBYTE_ISA_NAME "avx2"

namespace halfbyte {
namespace {

// Each needs those before it.
// clang-format off
#include "kernels/generic/unroll.inl"
#include "kernels/isa/avx2/vector_256.inl"
#include "kernels/isa/avx2/vector.inl"
#include "kernels/generic/linear_layouts.inl"
#include "kernels/generic/row_codes.inl"
#include "kernels/generic/linear_f32.inl"
// clang-format on

}  // namespace

LinearRows avx2_f32_rows() {
  return {kF32Rows, sizeof(kF32Rows) / sizeof(kF32Rows[0])};
}

}  // namespace halfbyte
