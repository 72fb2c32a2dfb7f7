// Adjoints of what a block does to one row: given the gradient of a loss by a function's outputs,
// the gradient by its inputs. All arrays are f32; dy and dx may be the same array.
#pragma once

#include <cstddef>

#include "tensor/activation.h"

namespace halfbyte {

// y = x / sqrt(mean(x^2) + eps) * (offset + weight); weight may be null (all ones).
void rms_norm_adjoint(const float* x, const float* weight, float offset, float eps, std::size_t n,
                      const float* dy, float* dx);
// y = (x - mean) / sqrt(var + eps) * weight + bias.
void layer_norm_adjoint(const float* x, const float* weight, float eps, std::size_t n,
                        const float* dy, float* dx);

// In place, as RowOps::rope: turned back by the same angles (and stretched alike, where the cosines
// and sines are).
void rope_adjoint(float* d, std::size_t heads, std::size_t head_dim, std::size_t rotary_dim,
                  const float* cos_sin, bool interleaved);

// y = act(x).
void activation_adjoint(Activation act, const float* x, std::size_t n, const float* dy, float* dx);
// y = act(gate) * up.
void gated_adjoint(Activation act, const float* gate, const float* up, std::size_t n,
                   const float* dy, float* dgate, float* dup);

}  // namespace halfbyte
