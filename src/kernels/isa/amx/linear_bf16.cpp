// Linear kernels in bfloat16: TDPBF16PS.
#include <cstring>

#include <immintrin.h>

#include "kernels/generic/compiler.h"
#include "kernels/iq4_codes.h"
#include "kernels/isa/amx/linear.h"

#define HALFBYTE_ISA_NAME "amx"

namespace halfbyte {
namespace {

// Each needs those before it.
// clang-format off
#include "kernels/generic/unroll.inl"
#include "kernels/isa/avx512vnni/vector.inl"
#include "kernels/generic/linear_layouts.inl"
#include "kernels/isa/avx512bf16/words.inl"
#include "kernels/generic/bf16_job.inl"
#include "kernels/isa/amx/config.inl"
#include "kernels/isa/amx/tiles.inl"
#include "kernels/generic/linear_bf16.inl"
// clang-format on

}  // namespace

LinearRows amx_bf16_rows() {
  return {kBf16KernelRows, sizeof(kBf16KernelRows) / sizeof(kBf16KernelRows[0])};
}

}  // namespace halfbyte
