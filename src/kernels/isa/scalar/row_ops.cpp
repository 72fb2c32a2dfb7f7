// The scalar row operations: the reference, as a table.
#include "kernels/isa/scalar/row_ops.h"

#include "kernels/reference/row_ops.h"

namespace halfbyte {
namespace {

constexpr RowOps kOps = {
    .quantize_groups = reference::quantize_groups,
    .quantize_token = reference::quantize_token,
    .store_bf16 = reference::store_bf16,
    .rms_norm = reference::rms_norm,
    .layer_norm = reference::layer_norm,
    .rope = reference::rope,
    .activate = reference::activate,
    .activate_gated = reference::activate_gated,
    .add = reference::add,
    .scale = reference::scale,
    .softmax = reference::softmax,
    .store_cache = reference::store_cache,
};
constexpr AttentionOps kAttention = {reference::attention, reference::attention_part,
                                     reference::attention_merge};

}  // namespace

const RowOps& scalar_row_ops() {
  return kOps;
}

const AttentionOps& scalar_attention() {
  return kAttention;
}

}  // namespace halfbyte
