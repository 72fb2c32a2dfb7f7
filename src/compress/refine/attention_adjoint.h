// Attention of whole samples over their own keys, and its adjoint, in f32: a few rows of scores at
// a time, so that memory stays far below rows^2.
#pragma once

#include <cstddef>
#include <span>
#include <vector>

#include "compress/linalg.h"
#include "kernels/row_ops.h"
#include "model/spec.h"

namespace halfbyte {

// Rows [begin, begin + rows) are one sample, from position 0.
struct SampleRows {
  std::size_t begin = 0;
  std::size_t rows = 0;
};

class AttentionAdjoint {
 public:
  // Heads, scale, softcap and mask are the stack's; `window` the layer's, 0 for none. All
  // references must outlive this.
  AttentionAdjoint(const StackSpec& spec, std::size_t window, const RowOps& ops,
                   DenseWorkers& workers)
      : spec_(spec), window_(window), ops_(ops), workers_(workers) {}

  // qkv [rows, (heads + 2 kv_heads) head_dim], after rope; out [rows, heads head_dim].
  void forward(std::span<const SampleRows> samples, const float* qkv, float* out) const;
  // dqkv += the gradient, given dout.
  void backward(std::span<const SampleRows> samples, const float* qkv, const float* dout,
                float* dqkv) const;

 private:
  struct Tile;
  template <typename Work>
  void for_tiles(std::span<const SampleRows> samples, const Work& work) const;
  void scores(std::size_t thread, const Tile& tile, const float* qkv, float* p) const;
  void tile_adjoint(std::size_t thread, const Tile& tile, const float* qkv, const float* dout,
                    float* dqkv, std::vector<float>& scratch) const;
  std::size_t q_width() const { return std::size_t{spec_.heads} * spec_.head_dim; }
  std::size_t kv_width() const { return std::size_t{spec_.kv_heads} * spec_.head_dim; }
  std::size_t row_width() const { return q_width() + 2 * kv_width(); }

  const StackSpec& spec_;
  std::size_t window_;
  const RowOps& ops_;
  DenseWorkers& workers_;
};

}  // namespace halfbyte
