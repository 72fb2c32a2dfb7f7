// Scalar attention: one query row and head at a time, online softmax over the key tiles of a chunk
// (Milakov & Gimelshein 2018, "Online normalizer calculation for softmax"), then over the chunks.
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

// What some keys give a row: a part as attention_layout.inl has it.
struct Part {
  float* gathered;  // [head_dim], sum of exp(score - max) * value
  float* sum;
  float* max;
};

Part part_at(const AttentionArgs& args, float* at) {
  const std::size_t dim = padded_dim(args.head_dim);
  return {at, at + dim, at + dim + 1};
}

// One query row of one head.
struct Query {
  const AttentionArgs& args;
  std::size_t head;
  std::size_t row;
  const float* q;  // [head_dim]
  float* cache;    // [head_dim], room for a decoded key or value

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

// The larger; once NaN, always NaN.
float larger(float a, float b) {
  return b > a || std::isnan(b) ? b : a;
}

// Multiplies a part so that it has the maximum `max`, which is no smaller than its own.
void rescale(const Part& part, std::size_t dim, float max) {
  const float correction = std::exp(*part.max - max);
  *part.max = max;
  *part.sum *= correction;
  for (std::size_t i = 0; i < dim; ++i) part.gathered[i] *= correction;
}

// Takes the keys [begin, end) of one tile in.
void gather_tile(const Query& query, const Part& part, std::size_t begin, std::size_t end) {
  const AttentionArgs& args = query.args;
  float scores[kKeyTile];
  float max = *part.max;
  for (std::size_t key = begin; key < end; ++key) {
    const float value = hidden(args, key) ? -kInfinity : score(query, key);
    scores[key - begin] = value;
    max = larger(max, value);
  }
  if (max == -kInfinity) return;
  rescale(part, args.head_dim, max);
  for (std::size_t key = begin; key < end; ++key) {
    if (hidden(args, key)) continue;
    const float weight = std::exp(scores[key - begin] - max);
    *part.sum += weight;
    load_row(args.values.dtype, cached(args.values, query.kv_head(), key), args.head_dim,
             query.cache);
    for (std::size_t i = 0; i < args.head_dim; ++i) part.gathered[i] += weight * query.cache[i];
  }
}

void gather_chunk(const Query& query, const Part& part, KeyRange keys) {
  std::memset(part.gathered, 0, query.args.head_dim * sizeof(float));
  *part.sum = 0.0f;
  *part.max = -kInfinity;
  for (std::size_t begin = keys.begin; begin < keys.end;) {
    const std::size_t tile_end = (begin / kKeyTile + 1) * kKeyTile;
    const std::size_t end = tile_end < keys.end ? tile_end : keys.end;
    gather_tile(query, part, begin, end);
    begin = end;
  }
}

// Takes `part`, which is lost, into `total`.
void merge(const Part& total, const Part& part, std::size_t dim) {
  const float max = larger(*total.max, *part.max);
  if (max == -kInfinity) return;
  rescale(total, dim, max);
  rescale(part, dim, max);
  *total.sum += *part.sum;
  for (std::size_t i = 0; i < dim; ++i) total.gathered[i] += part.gathered[i];
}

float* output(const AttentionArgs& args, std::size_t head, std::size_t row) {
  return args.out + row * args.out_stride + head * args.head_dim;
}

void finish(const Part& total, std::size_t dim, float* out) {
  for (std::size_t i = 0; i < dim; ++i)
    out[i] = *total.sum == 0.0f ? 0.0f : total.gathered[i] / *total.sum;
}

Query query_at(const AttentionArgs& args, std::size_t head, std::size_t row, float* cache) {
  return {args, head, row, args.q + row * args.q_stride + head * args.head_dim, cache};
}

void attend(const Query& query, const Part& total, const Part& part) {
  const AttentionArgs& args = query.args;
  const KeyRange keys = visible_keys(args, query.row);
  const KeyRange chunks = chunks_of(keys);
  *total.sum = 0.0f;
  for (std::size_t chunk = chunks.begin; chunk < chunks.end; ++chunk) {
    gather_chunk(query, chunk == chunks.begin ? total : part, in_chunk(keys, chunk));
    if (chunk > chunks.begin) merge(total, part, args.head_dim);
  }
  finish(total, args.head_dim, output(args, query.head, query.row));
}

}  // namespace

void attention(const AttentionArgs& args, std::size_t head_begin, std::size_t head_end,
               std::size_t row_begin, std::size_t row_end, std::byte* scratch) noexcept {
  const AttentionLayout at = attention_layout(args.head_dim);
  auto* memory = reinterpret_cast<float*>(scratch);
  const Part total = part_at(args, memory + at.totals);
  const Part part = part_at(args, memory + at.parts);
  for (std::size_t head = head_begin; head < head_end; ++head) {
    for (std::size_t row = row_begin; row < row_end; ++row)
      attend(query_at(args, head, row, memory + at.staging), total, part);
  }
}

void attention_part(const AttentionArgs& args, std::size_t head_begin, std::size_t head_end,
                    std::size_t chunk, const AttentionParts& parts, std::byte* scratch) noexcept {
  auto* cache = reinterpret_cast<float*>(scratch) + attention_layout(args.head_dim).staging;
  for (std::size_t head = head_begin; head < head_end; ++head) {
    for (std::size_t row = 0; row < args.rows; ++row) {
      gather_chunk(query_at(args, head, row, cache),
                   part_at(args, part_of(args, parts, head, row, chunk)),
                   in_chunk(visible_keys(args, row), chunk));
    }
  }
}

void attention_merge(const AttentionArgs& args, std::size_t head_begin, std::size_t head_end,
                     const AttentionParts& parts) noexcept {
  float nothing = 0.0f;
  for (std::size_t head = head_begin; head < head_end; ++head) {
    for (std::size_t row = 0; row < args.rows; ++row) {
      const KeyRange chunks = chunks_of(visible_keys(args, row));
      Part total{nullptr, &nothing, nullptr};
      for (std::size_t chunk = chunks.begin; chunk < chunks.end; ++chunk) {
        const Part part = part_at(args, part_of(args, parts, head, row, chunk));
        if (chunk == chunks.begin) {
          total = part;
        } else {
          merge(total, part, args.head_dim);
        }
      }
      finish(total, args.head_dim, output(args, head, row));
    }
  }
}

}  // namespace halfbyte::reference
