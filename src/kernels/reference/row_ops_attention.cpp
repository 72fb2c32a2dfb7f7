// Scalar attention: one query row and head at a time, online softmax over key tiles
// (Milakov & Gimelshein 2018, "Online normalizer calculation for softmax").
#include <cmath>
#include <cstring>
#include <limits>

#include "base/half.h"
#include "kernels/reference/row_ops.h"

namespace halfbyte::reference {
namespace {

#include "kernels/generic/attention_layout.inl"

constexpr float kInfinity = std::numeric_limits<float>::infinity();

float load_half(const std::byte* src) {
  std::uint16_t bits = 0;
  std::memcpy(&bits, src, sizeof bits);
  return half_to_float(bits);
}

// dst[n] = a cached row.
void load_row(DType dtype, const std::byte* src, std::size_t n, float* dst) {
  if (dtype == DType::f32) {
    std::memcpy(dst, src, n * sizeof(float));
  } else if (dtype == DType::f16) {
    for (std::size_t i = 0; i < n; ++i) dst[i] = load_half(src + i * sizeof(std::uint16_t));
  } else {
    for (std::size_t i = 0; i < n; ++i) {
      const std::byte* block = src + i / kQ8Block * kQ8BlockBytes;
      const auto code = static_cast<std::int8_t>(block[2 + i % kQ8Block]);
      dst[i] = load_half(block) * static_cast<float>(code);
    }
  }
}

const std::byte* cached(const CacheView& view, std::size_t kv_head, std::size_t position) {
  return view.data + kv_head * view.head_stride + position * view.position_stride;
}

bool hidden(const AttentionArgs& args, std::size_t key) {
  return args.key_mask != nullptr && args.key_mask[key] == 0;
}

// One query row of one head and what it has gathered so far.
struct Query {
  const AttentionArgs& args;
  std::size_t head;
  std::size_t row;
  const float* q;   // [head_dim]
  float* gathered;  // [head_dim], sum of exp(score - max) * value
  float* cache;     // [head_dim], room for a decoded key or value
  float max = -kInfinity;
  float sum = 0.0f;

  std::size_t kv_head() const { return head / (args.heads / args.kv_heads); }
};

float score(const Query& query, std::size_t key) {
  const AttentionArgs& args = query.args;
  load_row(args.keys.dtype, cached(args.keys, query.kv_head(), key), args.head_dim, query.cache);
  float dot = 0.0f;
  for (std::size_t i = 0; i < args.head_dim; ++i) dot += query.q[i] * query.cache[i];
  float value = dot * args.scale;
  if (args.softcap > 0.0f) value = args.softcap * std::tanh(value / args.softcap);
  if (args.bias != nullptr) {
    const std::ptrdiff_t distance = static_cast<std::ptrdiff_t>(key) -
                                    static_cast<std::ptrdiff_t>(args.first_position + query.row);
    value += args.bias[static_cast<std::ptrdiff_t>(query.head * args.bias_head_stride) + distance +
                       args.bias_zero];
  }
  return value;
}

// Takes the keys [begin, end) of one tile in.
void gather_tile(Query& query, std::size_t begin, std::size_t end) {
  const AttentionArgs& args = query.args;
  float scores[kKeyTile];
  float max = query.max;
  for (std::size_t key = begin; key < end; ++key) {
    const float value = hidden(args, key) ? -kInfinity : score(query, key);
    scores[key - begin] = value;
    max = value > max || std::isnan(value) ? value : max;  // once NaN, always NaN
  }
  if (max == -kInfinity) return;
  const float correction = std::exp(query.max - max);
  query.max = max;
  query.sum *= correction;
  for (std::size_t i = 0; i < args.head_dim; ++i) query.gathered[i] *= correction;
  for (std::size_t key = begin; key < end; ++key) {
    if (hidden(args, key)) continue;
    const float weight = std::exp(scores[key - begin] - max);
    query.sum += weight;
    load_row(args.values.dtype, cached(args.values, query.kv_head(), key), args.head_dim,
             query.cache);
    for (std::size_t i = 0; i < args.head_dim; ++i) query.gathered[i] += weight * query.cache[i];
  }
}

void attend(Query query) {
  const std::size_t dim = query.args.head_dim;
  std::memset(query.gathered, 0, dim * sizeof(float));
  const KeyRange keys = visible_keys(query.args, query.row);
  for (std::size_t begin = keys.begin; begin < keys.end;) {
    const std::size_t tile_end = (begin / kKeyTile + 1) * kKeyTile;
    const std::size_t end = tile_end < keys.end ? tile_end : keys.end;
    gather_tile(query, begin, end);
    begin = end;
  }
  float* out = query.args.out + query.row * query.args.out_stride + query.head * dim;
  for (std::size_t i = 0; i < dim; ++i)
    out[i] = query.sum == 0.0f ? 0.0f : query.gathered[i] / query.sum;
}

}  // namespace

void attention(const AttentionArgs& args, std::size_t head_begin, std::size_t head_end,
               std::size_t row_begin, std::size_t row_end, std::byte* scratch) noexcept {
  const AttentionLayout at = attention_layout(args.head_dim);
  auto* memory = reinterpret_cast<float*>(scratch);
  for (std::size_t head = head_begin; head < head_end; ++head) {
    for (std::size_t row = row_begin; row < row_end; ++row) {
      const float* q = args.q + row * args.q_stride + head * args.head_dim;
      attend({args, head, row, q, memory + at.outputs, memory + at.staging});
    }
  }
}

}  // namespace halfbyte::reference
