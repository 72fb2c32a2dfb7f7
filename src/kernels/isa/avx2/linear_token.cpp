// Linear kernels of types with a scale a row: VPMADDUBSW and VPMADDWD.
#include <cstring>

#include <immintrin.h>

#include "kernels/generic/compiler.h"
#include "kernels/iq4_codes.h"
#include "kernels/isa/avx2/linear.h"

#define HALFBYTE_ISA_NAME "avx2"

namespace halfbyte {
namespace {

// One stream, as for avx512vnni.
constexpr int kStreams = 1;
constexpr std::size_t kAhead = 1024;

// Each needs those before it.
// clang-format off
#include "kernels/generic/unroll.inl"
#include "kernels/isa/avx2/vector_256.inl"
#include "kernels/isa/avx2/vector.inl"
#include "kernels/generic/row_codes.inl"
#include "kernels/generic/linear_token.inl"
#include "kernels/generic/linear_token_int4.inl"
#include "kernels/generic/linear_token_rows.inl"
// clang-format on

}  // namespace

LinearRows avx2_token_rows() {
  return {kTokenRowsTable, sizeof(kTokenRowsTable) / sizeof(kTokenRowsTable[0])};
}

}  // namespace halfbyte
