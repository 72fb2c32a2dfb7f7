// Contracts of everything that is not a weight matrix: norms, rope, activations, quantizing rows,
// attention. All pointers are f32 unless said, no alignment is asked for, in and out may be the
// same array where not said otherwise. NaN in gives NaN out.
#pragma once

#include <cstddef>
#include <cstdint>

#include "kernels/linear.h"
#include "tensor/activation.h"
#include "tensor/dtype.h"

namespace halfbyte {

// Where keys or values of one layer are: [kv_heads][capacity][head_dim] of f32, f16 or q8_0 (then
// head_dim is a multiple of 32).
struct CacheView {
  DType dtype = DType::f16;
  std::byte* data = nullptr;
  std::size_t head_stride = 0;      // bytes from a head to the next
  std::size_t position_stride = 0;  // bytes from a position to the next
};

// One sequence's attention: queries [rows] at positions first_position + row against keys
// [0, length).
struct AttentionArgs {
  const float* q = nullptr;  // [rows, q_stride], head h at h * head_dim
  std::size_t q_stride = 0;
  float* out = nullptr;  // [rows, out_stride], head h at h * value_dim
  std::size_t out_stride = 0;
  std::size_t rows = 0;
  std::size_t heads = 0;
  std::size_t kv_heads = 0;  // divides heads
  std::size_t head_dim = 0;  // of keys and values
  CacheView keys;
  CacheView values;
  std::size_t length = 0;          // keys that exist
  std::size_t first_position = 0;  // position of row 0
  bool causal = true;              // row r sees keys <= first_position + r
  // If > 0, row r sees only the last `window` of those (its own included); when not causal, only
  // keys nearer than `window` on either side.
  std::size_t window = 0;
  float scale = 1.0f;                      // multiplies q.k
  float softcap = 0.0f;                    // if > 0, scores become softcap * tanh(score / softcap)
  const std::uint8_t* key_mask = nullptr;  // [length], 0 hides a key; nullptr shows all
  // Added to scores (after the softcap): bias[h * bias_head_stride + (key - query position) +
  // bias_zero]; nullptr for none.
  const float* bias = nullptr;
  std::size_t bias_head_stride = 0;
  std::ptrdiff_t bias_zero = 0;
};

// The softmax of a row is taken over chunks of keys, which start at multiples of this, each on its
// own; what they give is then merged in ascending order. So the bits of a row do not depend on who
// computes which chunk, nor on the rows and heads that are computed with it.
constexpr std::size_t kAttentionChunk = 256;

// What the chunks [first_chunk, first_chunk + chunks) give the rows of every head, between
// attention_part and attention_merge: [heads][rows][chunks][attention_part_floats], 64-byte
// aligned.
struct AttentionParts {
  float* data = nullptr;
  std::size_t first_chunk = 0;
  std::size_t chunks = 0;
};

// Attention of one instruction set.
struct AttentionOps {
  // Rows [row_begin, row_end) of heads [head_begin, head_end). `scratch`: this thread's own,
  // attention_scratch_bytes(args) long, 64-byte aligned. A row that sees no key gives zeros.
  void (*rows)(const AttentionArgs& args, std::size_t head_begin, std::size_t head_end,
               std::size_t row_begin, std::size_t row_end, std::byte* scratch) noexcept;
  // The same in two steps, which share the keys out where rows are few: all rows of heads
  // [head_begin, head_end) against the keys of one chunk (of those in `parts`), then, when all
  // chunks that a row sees are there, the outputs.
  void (*part)(const AttentionArgs& args, std::size_t head_begin, std::size_t head_end,
               std::size_t chunk, const AttentionParts& parts, std::byte* scratch) noexcept;
  void (*merge)(const AttentionArgs& args, std::size_t head_begin, std::size_t head_end,
                const AttentionParts& parts) noexcept;
};

// The other functions of one instruction set.
struct RowOps {
  // Row `row` of out (all its members are set) = x [k] in groups of 32. Every ISA gives the same
  // bits (reference/row_ops_quantize.cpp has the formula). A group with an infinity or a NaN gets
  // scale NaN and codes 0. Rows of one block may be written at the same time.
  void (*quantize_groups)(const float* x, std::size_t row, const QuantizedRows& out) noexcept;
  // Row `row` of out (all its members are set) = x [k] with one scale, without the inputs whose
  // magnitude is `outliers` at least, where out has room for those. Every ISA gives the same bits.
  // A row with an infinity or a NaN gets scale NaN, codes 0 and no outliers.
  void (*quantize_token)(const float* x, std::size_t row, float outliers,
                         const TokenRows& out) noexcept;
  // Row `row` of out (its rows and k are set) = x [k] rounded to nearest even. Every ISA gives the
  // same bits; NaN stays NaN.
  void (*store_bf16)(const float* x, std::size_t row, const Bf16Rows& out) noexcept;
  // y = x / sqrt(mean(x^2) + eps) * (offset + weight); n elements. weight may be null (all ones).
  void (*rms_norm)(const float* x, const float* weight, float offset, float eps, std::size_t n,
                   float* y) noexcept;
  // y = (x - mean) / sqrt(var + eps) * weight + bias; bias may be null.
  void (*layer_norm)(const float* x, const float* weight, const float* bias, float eps,
                     std::size_t n, float* y) noexcept;
  // Rotates the first `rotary_dim` of each of `heads` heads (head_dim apart) of one row, in place.
  // cos_sin: rotary_dim/2 cosines, then as many sines. Interleaved pairs are (2i, 2i+1), else
  // (i, i + rotary_dim/2).
  void (*rope)(float* x, std::size_t heads, std::size_t head_dim, std::size_t rotary_dim,
               const float* cos_sin, bool interleaved) noexcept;
  // y = act(x); y = act(gate) * up.
  void (*activate)(Activation act, const float* x, std::size_t n, float* y) noexcept;
  void (*activate_gated)(Activation act, const float* gate, const float* up, std::size_t n,
                         float* y) noexcept;
  // y += x; y *= s.
  void (*add)(const float* x, std::size_t n, float* y) noexcept;
  void (*scale)(float s, std::size_t n, float* y) noexcept;
  // In place: x = exp(x - max) / sum. n >= 1. All -inf gives NaN.
  void (*softmax)(float* x, std::size_t n) noexcept;
  // Stores f32 [n] as the cache's type (f32, f16, q8_0: n a multiple of 32). f16 rounds to nearest
  // even; q8_0 has the codes of quantize_groups and its scale as f16.
  void (*store_cache)(const float* x, std::size_t n, DType dtype, std::byte* dst) noexcept;
};

// The chunks that any row sees, with no memory for them yet.
AttentionParts attention_parts(const AttentionArgs& args);
std::size_t attention_part_floats(std::size_t head_dim);
std::size_t attention_scratch_bytes(std::size_t rows, std::size_t heads, std::size_t head_dim,
                                    std::size_t length);

}  // namespace halfbyte
