// Sizes that the row operations of all instruction sets share.
#include "kernels/row_ops.h"

namespace halfbyte {
namespace {
#include "kernels/generic/attention_layout.inl"
}  // namespace

AttentionParts attention_parts(const AttentionArgs& args) {
  // Later rows see later keys.
  if (args.rows == 0) return {};
  const KeyRange keys{visible_keys(args, 0).begin, visible_keys(args, args.rows - 1).end};
  if (keys.begin >= keys.end) return {};
  const KeyRange chunks = chunks_of(keys);
  return {nullptr, chunks.begin, chunks.end - chunks.begin};
}

std::size_t attention_part_floats(std::size_t head_dim) {
  return part_floats(head_dim);
}

std::size_t attention_scratch_bytes(std::size_t /*rows*/, std::size_t /*heads*/,
                                    std::size_t head_dim, std::size_t /*length*/) {
  return attention_layout(head_dim).end * sizeof(float);
}

}  // namespace halfbyte
