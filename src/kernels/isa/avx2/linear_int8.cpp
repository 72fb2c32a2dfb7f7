// Integer linear kernels: VPMADDUBSW and VPMADDWD.
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
#include "kernels/generic/linear_int8_tile.inl"
#include "kernels/isa/avx2/products.inl"
#include "kernels/generic/linear_int8.inl"
#include "kernels/generic/linear_int8_rows.inl"
// clang-format on

}  // namespace

LinearRows avx2_int8_rows() {
  return {kInt8Rows, sizeof(kInt8Rows) / sizeof(kInt8Rows[0])};
}
LinearRows avx2_stream_rows() {
  return {kStreamRows, sizeof(kStreamRows) / sizeof(kStreamRows[0])};
}

}  // namespace halfbyte
