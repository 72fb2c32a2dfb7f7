// Linear kernels of types with a scale a row: VPDPBUSD with the inputs' dwords broadcast from
// memory.
#include <cstring>

#include <immintrin.h>

#include "kernels/generic/compiler.h"
#include "kernels/iq4_codes.h"
#include "kernels/isa/avx512vnni/linear.h"

#define HALFBYTE_ISA_NAME "avx512vnni"

namespace halfbyte {
namespace {

// One stream: on Zen 4 two cores read 1.3 times as much as with four.
constexpr int kStreams = 1;
constexpr std::size_t kAhead = 1024;

// Each needs those before it.
// clang-format off
#include "kernels/generic/unroll.inl"
#include "kernels/isa/avx512vnni/vector.inl"
#include "kernels/generic/row_codes.inl"
#include "kernels/generic/linear_token.inl"
#include "kernels/generic/linear_token_int4.inl"
#include "kernels/generic/linear_token_rows.inl"
// clang-format on

}  // namespace

LinearRows avx512vnni_token_rows() {
  return {kTokenRowsTable, sizeof(kTokenRowsTable) / sizeof(kTokenRowsTable[0])};
}

}  // namespace halfbyte
