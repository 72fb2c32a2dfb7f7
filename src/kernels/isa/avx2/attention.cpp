// Attention in AVX2: kernels/generic/attention.inl over this folder's vectors.
#include <cstddef>
#include <cstdint>
#include <cstring>

#include "kernels/isa/avx2/row_ops.h"
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
#include "kernels/generic/attention.inl"
}  // namespace

void avx2_attention(const AttentionArgs& args, std::size_t head_begin, std::size_t head_end,
                    std::size_t row_begin, std::size_t row_end, std::byte* scratch) noexcept {
  attention(args, head_begin, head_end, row_begin, row_end, scratch);
}

void avx2_attention_part(const AttentionArgs& args, std::size_t head_begin, std::size_t head_end,
                         std::size_t chunk, const AttentionParts& parts,
                         std::byte* scratch) noexcept {
  attention_part(args, head_begin, head_end, chunk, parts, scratch);
}

void avx2_attention_merge(const AttentionArgs& args, std::size_t head_begin, std::size_t head_end,
                          const AttentionParts& parts) noexcept {
  attention_merge(args, head_begin, head_end, parts);
}

}  // namespace halfbyte
