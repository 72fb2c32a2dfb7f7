// The scalar reference of every row operation (contracts: kernels/row_ops.h). It is also what runs
// on a CPU for which there is nothing faster.
#pragma once

#include "kernels/row_ops.h"

namespace halfbyte::reference {

void quantize_groups(const float* x, std::size_t row, const QuantizedRows& out) noexcept;
void quantize_token(const float* x, std::size_t row, float outliers, const TokenRows& out) noexcept;
void store_bf16(const float* x, std::size_t row, const Bf16Rows& out) noexcept;
void rms_norm(const float* x, const float* weight, float offset, float eps, std::size_t n,
              float* y) noexcept;
void layer_norm(const float* x, const float* weight, const float* bias, float eps, std::size_t n,
                float* y) noexcept;
void rope(float* x, std::size_t heads, std::size_t head_dim, std::size_t rotary_dim,
          const float* cos_sin, bool interleaved) noexcept;
void activate(Activation act, const float* x, std::size_t n, float* y) noexcept;
void activate_gated(Activation act, const float* gate, const float* up, std::size_t n,
                    float* y) noexcept;
void add(const float* x, std::size_t n, float* y) noexcept;
void scale(float s, std::size_t n, float* y) noexcept;
void softmax(float* x, std::size_t n) noexcept;
void store_cache(const float* x, std::size_t n, DType dtype, std::byte* dst) noexcept;
void attention(const AttentionArgs& args, std::size_t head_begin, std::size_t head_end,
               std::size_t row_begin, std::size_t row_end, std::byte* scratch) noexcept;
void attention_part(const AttentionArgs& args, std::size_t head_begin, std::size_t head_end,
                    std::size_t chunk, const AttentionParts& parts, std::byte* scratch) noexcept;
void attention_merge(const AttentionArgs& args, std::size_t head_begin, std::size_t head_end,
                     const AttentionParts& parts) noexcept;

}  // namespace halfbyte::reference
