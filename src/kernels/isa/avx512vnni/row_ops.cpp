// Row operations in AVX-512: kernels/generic/row_ops.inl over this folder's vectors.
#include "kernels/isa/avx512vnni/row_ops.h"

#include <cstddef>
#include <cstdint>
#include <cstring>

#include "kernels/isa/avx512vnni/vec.h"

namespace halfbyte {
namespace {
#include "kernels/generic/math.inl"
// In this order.
#include "kernels/generic/row_ops.inl"
#include "kernels/generic/row_ops_token.inl"

constexpr RowOps kOps = {
    .quantize_groups = quantize_groups,
    .quantize_token = quantize_token,
    .store_bf16 = store_bf16,
    .rms_norm = rms_norm,
    .layer_norm = layer_norm,
    .rope = rope,
    .activate = activate,
    .activate_gated = activate_gated,
    .add = add_rows,
    .scale = scale_row,
    .softmax = softmax,
    .store_cache = store_cache,
};

}  // namespace

const RowOps& avx512vnni_row_ops() {
  return kOps;
}

}  // namespace halfbyte
