// Attention in AVX2: kernels/generic/attention.inl over this folder's vectors.
#include "kernels/isa/avx2/attention.h"

#include <cstddef>
#include <cstdint>
#include <cstring>

#include "kernels/isa/avx2/vec.h"

namespace halfbyte {
namespace {
#include "kernels/generic/attention_layout.inl"
// In this order.
#include "kernels/generic/math.inl"
// In this order.
#include "kernels/generic/attention_product.inl"
// In this order.
#include "kernels/generic/attention_tile.inl"
// In this order.
#include "kernels/generic/attention_block.inl"
// In this order.
#include "kernels/generic/attention_softmax.inl"
// In this order.
#include "kernels/generic/attention_cache.inl"
// In this order.
#include "kernels/generic/attention_q8.inl"
// In this order.
#include "kernels/generic/attention_f32.inl"
// In this order.
#include "kernels/generic/attention.inl"

constexpr AttentionOps kOps = {attention, attention_part, attention_merge};
}  // namespace

const AttentionOps& avx2_attention() {
  return kOps;
}

}  // namespace halfbyte
