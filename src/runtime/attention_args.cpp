#include "runtime/attention_args.h"

namespace halfbyte {

namespace {

AttentionArgs common(const Pass& pass, const Segment& segment) {
  const StackSpec& spec = pass.stack.spec;
  const Workspace& space = pass.workspace;
  AttentionArgs args;
  args.q_stride = space.width(Buffer::qkv);
  args.q = space.buffer(Buffer::qkv) + segment.first_row * args.q_stride;
  args.out_stride = space.width(Buffer::attended);
  args.out = space.buffer(Buffer::attended) + segment.first_row * args.out_stride;
  args.rows = segment.rows;
  args.heads = spec.heads;
  args.kv_heads = spec.kv_heads;
  args.head_dim = spec.head_dim;
  args.first_position = segment.first_position;
  args.scale = static_cast<float>(spec.attention_scale);
  args.softcap = static_cast<float>(spec.attention_softcap);
  return args;
}

// f32 keys or values inside a row buffer: head h of position p at data + p * row + h * head_dim.
CacheView in_rows(const StackSpec& spec, float* data, std::uint64_t row) {
  return {DType::f32, reinterpret_cast<std::byte*>(data), spec.head_dim * sizeof(float),
          row * sizeof(float)};
}

}  // namespace

AttentionArgs self_attention_args(const Pass& pass, const Step& step, const Segment& segment) {
  const StackSpec& spec = pass.stack.spec;
  const Workspace& space = pass.workspace;
  AttentionArgs args = common(pass, segment);
  args.causal = spec.causal;
  args.window = spec.layers[step.layer].window;
  args.length = segment.first_position + segment.rows;
  args.key_mask = segment.key_mask;
  if (segment.cache != nullptr) {
    args.keys = segment.cache->keys(step.layer);
    args.values = segment.cache->values(step.layer);
  } else {
    const std::uint64_t row = space.width(Buffer::qkv);
    float* const keys = space.buffer(Buffer::qkv) + segment.first_row * row +
                        std::uint64_t{spec.heads} * spec.head_dim;
    args.keys = in_rows(spec, keys, row);
    args.values = in_rows(spec, keys + std::uint64_t{spec.kv_heads} * spec.head_dim, row);
  }
  if (segment.bias != nullptr) {
    args.bias = segment.bias->values.data();
    args.bias_head_stride = segment.bias->stride;
    args.bias_zero = segment.bias->zero;
  }
  return args;
}

AttentionArgs cross_attention_args(const Pass& pass, const Step& step, const Segment& segment) {
  const StackSpec& spec = pass.stack.spec;
  const CrossMemory& cross = segment.cross;
  AttentionArgs args = common(pass, segment);
  args.causal = false;
  args.length = cross.length;
  args.key_mask = cross.mask;
  float* const keys = cross.layer(step.layer);
  args.keys = in_rows(spec, keys, cross.row);
  args.values = in_rows(spec, keys + cross.row / 2, cross.row);
  return args;
}

}  // namespace halfbyte
