// Row operations in AVX2.
#pragma once

#include "kernels/row_ops.h"

namespace halfbyte {

const RowOps& avx2_row_ops();
// The attention of that table, which is compiled on its own.
void avx2_attention(const AttentionArgs& args, std::size_t head_begin, std::size_t head_end,
                    std::size_t row_begin, std::size_t row_end, std::byte* scratch) noexcept;
void avx2_attention_part(const AttentionArgs& args, std::size_t head_begin, std::size_t head_end,
                         std::size_t chunk, const AttentionParts& parts,
                         std::byte* scratch) noexcept;
void avx2_attention_merge(const AttentionArgs& args, std::size_t head_begin, std::size_t head_end,
                          const AttentionParts& parts) noexcept;

}  // namespace halfbyte
