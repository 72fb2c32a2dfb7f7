// Sizes that the row operations of all instruction sets share.
#include "kernels/row_ops.h"

namespace halfbyte {
namespace {
#include "kernels/generic/attention_layout.inl"
}  // namespace

std::size_t attention_scratch_bytes(std::size_t /*rows*/, std::size_t /*heads*/,
                                    std::size_t head_dim, std::size_t /*length*/) {
  return attention_layout(head_dim).end * sizeof(float);
}

}  // namespace halfbyte
