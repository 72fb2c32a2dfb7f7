// Integer linear kernels: VPDPBUSD with the inputs' dwords broadcast from memory.
#include <cstring>

#include <immintrin.h>

#include "kernels/generic/compiler.h"
#include "kernels/iq4_codes.h"
#include "kernels/isa/avx512vnni/linear.h"

#define HALFBYTE_ISA_NAME "avx512vnni"

namespace halfbyte {
namespace {

// Each needs those before it.
// clang-format off
#include "kernels/generic/unroll.inl"
#include "kernels/isa/avx512vnni/vector.inl"
#include "kernels/generic/linear_layouts.inl"
#include "kernels/generic/linear_int8_tile.inl"
#include "kernels/generic/linear_int8_products.inl"
#include "kernels/generic/linear_int8.inl"
#include "kernels/generic/linear_int8_rows.inl"
// clang-format on

}  // namespace

LinearRows avx512vnni_int8_rows() {
  return {kInt8Rows, sizeof(kInt8Rows) / sizeof(kInt8Rows[0])};
}
LinearRows avx512vnni_stream_rows() {
  return {kStreamRows, sizeof(kStreamRows) / sizeof(kStreamRows[0])};
}

}  // namespace halfbyte
