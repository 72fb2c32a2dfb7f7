// Attention in bfloat16: TDPBF16PS.
#include "kernels/isa/amx/attention.h"

#include <cstddef>
#include <cstdint>
#include <cstring>

#include <immintrin.h>

#include "kernels/generic/compiler.h"
#include "kernels/packed_matrix.h"

namespace halfbyte {
namespace {

// Each needs those before it.
// clang-format off
#include "kernels/generic/unroll.inl"
#include "kernels/isa/avx512vnni/vec.inl"
#include "kernels/generic/attention_layout.inl"
#include "kernels/generic/math.inl"
#include "kernels/generic/attention_product.inl"
#include "kernels/generic/attention_tile.inl"
#include "kernels/generic/attention_block.inl"
#include "kernels/isa/avx512bf16/words.inl"
#include "kernels/isa/avx512bf16/softmax.inl"
#include "kernels/generic/bf16_job.inl"
#include "kernels/generic/attention_softmax_bf16.inl"
#include "kernels/generic/attention_bf16_tile.inl"
#include "kernels/isa/amx/config.inl"
#include "kernels/isa/amx/tiles.inl"
#include "kernels/generic/attention_bf16.inl"
#include "kernels/generic/attention.inl"
// clang-format on

constexpr AttentionOps kOps = {attention, attention_part, attention_merge};

}  // namespace

const AttentionOps& amx_attention() {
  return kOps;
}

}  // namespace halfbyte
