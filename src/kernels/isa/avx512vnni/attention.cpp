// Attention in AVX-512: kernels/generic/attention.inl over this folder's vectors.
#include "kernels/isa/avx512vnni/attention.h"

#include <cstddef>
#include <cstdint>
#include <cstring>

#include "kernels/generic/compiler.h"
#include "kernels/isa/avx512vnni/vec.h"

namespace halfbyte {
namespace {
#include "kernels/generic/unroll.inl"
// In this order.
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
#include "kernels/isa/avx512vnni/attention_digits.inl"
// In this order.
#include "kernels/isa/avx512vnni/attention_q8_keys.inl"
// In this order.
#include "kernels/isa/avx512vnni/attention_q8_values.inl"
// In this order.
#include "kernels/generic/attention_f32.inl"
// In this order.
#include "kernels/generic/attention.inl"

constexpr AttentionOps kOps = {attention, attention_part, attention_merge};
}  // namespace

const AttentionOps& avx512vnni_attention() {
  return kOps;
}

}  // namespace halfbyte
