// Decoding with the integer kernels of avx512vnni, tuned to the memory of CPUs that have AMX.
#include <cstring>

#include <immintrin.h>

#include "kernels/generic/compiler.h"
#include "kernels/iq4_codes.h"
#include "kernels/isa/amx/linear.h"

#define HALFBYTE_ISA_NAME "amx"

namespace halfbyte {
namespace {

// Four streams: Intel's cores get 1.4 times as much from memory as with one.
constexpr int kStreams = 4;
constexpr std::size_t kAhead = 2048;

// Each needs those before it.
// clang-format off
#include "kernels/generic/unroll.inl"
#include "kernels/isa/avx512vnni/vector.inl"
#include "kernels/generic/linear_layouts.inl"
#include "kernels/generic/linear_int8_tile.inl"
#include "kernels/generic/linear_int8.inl"
// clang-format on

constexpr LinearRow kDecodeRowsOnly[] = {
#define HALFBYTE_QUANTIZED(type) \
  {HALFBYTE_ISA_NAME "." #type ".decode", DType::type, false, linear_decode<k_##type>, nullptr},
#include "kernels/quantized_types.inc"
#undef HALFBYTE_QUANTIZED
};

}  // namespace

LinearRows amx_decode_rows() {
  return {kDecodeRowsOnly, sizeof(kDecodeRowsOnly) / sizeof(kDecodeRowsOnly[0])};
}

}  // namespace halfbyte
