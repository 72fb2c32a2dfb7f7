// One attention problem with its memory, and its answer in f64: what the attention tests share.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstring>
#include <limits>
#include <ostream>
#include <random>
#include <vector>

#include "base/half.h"
#include "kernels/reference/row_ops.h"

namespace halfbyte {

// The shape and options of a problem. The query rows are the last of `length` positions unless
// `first_position` says otherwise.
struct AttentionShape {
  std::size_t rows = 1;
  std::size_t length = 1;
  std::size_t heads = 1;
  std::size_t kv_heads = 1;
  std::size_t head_dim = 32;
  DType cache = DType::f16;
  std::ptrdiff_t first_position = -1;
  bool causal = true;
  std::size_t window = 0;
  float softcap = 0.0f;
  bool key_mask = false;
  bool bias = false;

  friend std::ostream& operator<<(std::ostream& out, const AttentionShape& s) {
    return out << s.rows << " rows, length " << s.length << ", heads " << s.heads << "/"
               << s.kv_heads << " x " << s.head_dim << ", cache " << static_cast<int>(s.cache)
               << ", first " << s.first_position << (s.causal ? ", causal" : "") << ", window "
               << s.window << ", softcap " << s.softcap << (s.key_mask ? ", mask" : "")
               << (s.bias ? ", bias" : "");
  }
};

class AttentionCase {
 public:
  explicit AttentionCase(const AttentionShape& shape)
      : shape_(shape),
        row_bytes_(cache_row_bytes()),
        stride_(shape.heads * shape.head_dim + 3),
        q_(shape.rows * stride_ + 1),
        out_(shape.rows * stride_ + 1, kUntouched),
        mask_(shape.length, 1),
        scratch_(attention_scratch_bytes(shape.rows, shape.heads, shape.head_dim, shape.length) +
                 64) {
    std::normal_distribution<float> normal;
    for (float& x : q_) x = 2.0f * normal(random_);
    fill_cache(keys_);
    fill_cache(values_);
    for (std::size_t i = 0; i < shape.length; ++i) mask_[i] = random_() % 4 == 0 ? 0 : 1;
    bias_zero_ = first_position() + static_cast<std::ptrdiff_t>(shape.rows);
    bias_.resize(shape.heads * bias_stride());
    for (float& x : bias_) x = normal(random_);
  }

  // The arguments; pointers are into this object, unaligned on purpose.
  AttentionArgs args() {
    AttentionArgs args;
    args.q = q_.data() + 1;
    args.q_stride = stride_;
    args.out = out_.data() + 1;
    args.out_stride = stride_;
    args.rows = shape_.rows;
    args.heads = shape_.heads;
    args.kv_heads = shape_.kv_heads;
    args.head_dim = shape_.head_dim;
    args.keys = view(keys_);
    args.values = view(values_);
    args.length = shape_.length;
    args.first_position = static_cast<std::size_t>(first_position());
    args.causal = shape_.causal;
    args.window = shape_.window;
    args.scale = 1.0f / std::sqrt(static_cast<float>(shape_.head_dim));
    args.softcap = shape_.softcap;
    if (shape_.key_mask) args.key_mask = mask_.data();
    if (shape_.bias) {
      args.bias = bias_.data();
      args.bias_head_stride = bias_stride();
      args.bias_zero = bias_zero_;
    }
    return args;
  }
  std::byte* scratch() {
    const auto address = reinterpret_cast<std::uintptr_t>(scratch_.data());
    return scratch_.data() + (64 - address % 64) % 64;
  }
  std::vector<float>& q() { return q_; }
  std::vector<std::uint8_t>& mask() { return mask_; }
  // Cached row of keys or values; a writer may poison it.
  std::byte* key(std::size_t head, std::size_t position) { return at(keys_, head, position); }
  std::byte* value(std::size_t head, std::size_t position) { return at(values_, head, position); }

  // Runs the whole problem and returns the outputs [rows, stride] with the floats around them.
  std::vector<float> run(const AttentionOps& ops) {
    std::fill(out_.begin(), out_.end(), kUntouched);
    ops.rows(args(), 0, shape_.heads, 0, shape_.rows, scratch());
    return out_;
  }
  // The same, the keys in chunks (the last ones first) and then merged, head by head.
  std::vector<float> run_in_parts(const AttentionOps& ops) {
    std::fill(out_.begin(), out_.end(), kUntouched);
    const AttentionArgs a = args();
    AttentionParts parts = attention_parts(a);
    const std::size_t floats = attention_part_floats(a.head_dim);
    std::vector<float> memory(a.heads * a.rows * parts.chunks * floats + 16, kUntouched);
    const auto address = reinterpret_cast<std::uintptr_t>(memory.data());
    parts.data = memory.data() + (64 - address % 64) % 64 / sizeof(float);
    const std::size_t group = a.heads / a.kv_heads;
    for (std::size_t chunk = parts.first_chunk + parts.chunks; chunk > parts.first_chunk; --chunk) {
      for (std::size_t head = 0; head < a.heads; head += group)
        ops.part(a, head, head + group, chunk - 1, parts, scratch());
    }
    for (std::size_t head = 0; head < a.heads; ++head) ops.merge(a, head, head + 1, parts);
    return out_;
  }
  float output(const std::vector<float>& out, std::size_t row, std::size_t head,
               std::size_t i) const {
    return out[1 + row * stride_ + head * shape_.head_dim + i];
  }
  // True if nothing but the outputs was written.
  bool untouched_elsewhere(const std::vector<float>& out) const {
    bool same = out[0] == kUntouched;
    for (std::size_t row = 0; row < shape_.rows; ++row)
      for (std::size_t i = shape_.heads * shape_.head_dim; i < stride_; ++i)
        same = same && out[1 + row * stride_ + i] == kUntouched;
    return same;
  }

  bool sees(std::size_t row, std::size_t key) const {
    const std::ptrdiff_t distance =
        static_cast<std::ptrdiff_t>(key) - (first_position() + static_cast<std::ptrdiff_t>(row));
    const auto window = static_cast<std::ptrdiff_t>(shape_.window);
    if (shape_.causal && distance > 0) return false;
    if (window > 0 && (distance <= -window || distance >= window)) return false;
    return !shape_.key_mask || mask_[key] != 0;
  }

  // The outputs of one row and head in f64.
  std::vector<double> exact(std::size_t row, std::size_t head) {
    const AttentionArgs a = args();
    const std::size_t kv_head = head / (shape_.heads / shape_.kv_heads);
    std::vector<double> scores(shape_.length, -std::numeric_limits<double>::infinity());
    for (std::size_t k = 0; k < shape_.length; ++k) {
      if (!sees(row, k)) continue;
      double dot = 0.0;
      for (std::size_t i = 0; i < shape_.head_dim; ++i)
        dot +=
            double{a.q[row * stride_ + head * shape_.head_dim + i]} * element(key(kv_head, k), i);
      double score = dot * a.scale;
      if (a.softcap > 0.0f) score = a.softcap * std::tanh(score / a.softcap);
      if (a.bias != nullptr)
        score += a.bias[static_cast<std::ptrdiff_t>(head * a.bias_head_stride) +
                        static_cast<std::ptrdiff_t>(k) -
                        static_cast<std::ptrdiff_t>(a.first_position + row) + a.bias_zero];
      scores[k] = score;
    }
    return weighted_sum(scores, kv_head);
  }

  // What rounding to bfloat16 (8 bits, to nearest) may change: scores by 2^-8 of the product of the
  // norms of query and key, then weights, their rounding and that of the values.
  double bf16_bound(std::size_t row, std::size_t head) {
    const AttentionArgs a = args();
    const std::size_t kv_head = head / (shape_.heads / shape_.kv_heads);
    const float* q = a.q + row * stride_ + head * shape_.head_dim;
    double longest_key = 0.0;
    double largest_value = 0.0;
    for (std::size_t k = 0; k < shape_.length; ++k) {
      double norm = 0.0;
      for (std::size_t i = 0; i < shape_.head_dim; ++i) {
        norm += std::pow(element(key(kv_head, k), i), 2);
        largest_value = std::max(largest_value, std::abs(element(value(kv_head, k), i)));
      }
      if (sees(row, k)) longest_key = std::max(longest_key, std::sqrt(norm));
    }
    double query = 0.0;
    for (std::size_t i = 0; i < shape_.head_dim; ++i) query += double{q[i]} * q[i];
    const double scores = std::sqrt(query) * longest_key * a.scale / 256 + 1e-5;
    return largest_value * (std::expm1(2 * scores) + 3.0 / 512);
  }

 private:
  static constexpr float kUntouched = -777.0f;

  std::size_t cache_row_bytes() const {
    if (shape_.cache == DType::f32) return shape_.head_dim * 4;
    return shape_.cache == DType::f16 ? shape_.head_dim * 2 : shape_.head_dim / 32 * 34;
  }
  std::ptrdiff_t first_position() const {
    if (shape_.first_position >= 0) return shape_.first_position;
    return static_cast<std::ptrdiff_t>(shape_.length) - static_cast<std::ptrdiff_t>(shape_.rows);
  }
  std::size_t bias_stride() const {
    return shape_.length + static_cast<std::size_t>(bias_zero_) + shape_.rows;
  }
  // Positions lie a few bytes apart, heads a few positions.
  std::size_t position_stride() const { return row_bytes_ + 4; }
  std::size_t head_stride() const { return position_stride() * (shape_.length + 2); }
  CacheView view(std::vector<std::byte>& cache) {
    return {shape_.cache, cache.data(), head_stride(), position_stride()};
  }
  std::byte* at(std::vector<std::byte>& cache, std::size_t head, std::size_t position) {
    return cache.data() + head * head_stride() + position * position_stride();
  }
  // What no position owns is NaN: reading it must not matter.
  void fill_cache(std::vector<std::byte>& cache) {
    cache.assign(shape_.kv_heads * head_stride(), std::byte{0xFF});
    std::normal_distribution<float> normal;
    std::vector<float> row(shape_.head_dim);
    for (std::size_t head = 0; head < shape_.kv_heads; ++head) {
      for (std::size_t position = 0; position < shape_.length; ++position) {
        for (float& x : row) x = normal(random_);
        reference::store_cache(row.data(), row.size(), shape_.cache, at(cache, head, position));
      }
    }
  }
  double element(const std::byte* row, std::size_t i) const {
    if (shape_.cache == DType::f32) {
      float x = 0.0f;
      std::memcpy(&x, row + 4 * i, sizeof x);
      return x;
    }
    const std::byte* half = shape_.cache == DType::f16 ? row + 2 * i : row + i / 32 * 34;
    std::uint16_t bits = 0;
    std::memcpy(&bits, half, sizeof bits);
    const double scale = half_to_float(bits);
    return shape_.cache == DType::f16 ? scale : scale * static_cast<std::int8_t>(half[2 + i % 32]);
  }
  std::vector<double> weighted_sum(const std::vector<double>& scores, std::size_t kv_head) {
    std::vector<double> out(shape_.head_dim, 0.0);
    const double max = *std::max_element(scores.begin(), scores.end());
    if (max == -std::numeric_limits<double>::infinity()) return out;
    double sum = 0.0;
    for (std::size_t k = 0; k < scores.size(); ++k) {
      const double weight = std::exp(scores[k] - max);
      if (weight == 0.0) continue;
      sum += weight;
      for (std::size_t i = 0; i < out.size(); ++i) out[i] += weight * element(value(kv_head, k), i);
    }
    for (double& x : out) x /= sum;
    return out;
  }

  AttentionShape shape_;
  std::mt19937 random_{99};
  std::size_t row_bytes_;
  std::size_t stride_;
  std::vector<float> q_;
  std::vector<float> out_;
  std::vector<std::uint8_t> mask_;
  std::vector<std::byte> scratch_;
  std::vector<std::byte> keys_;
  std::vector<std::byte> values_;
  std::ptrdiff_t bias_zero_ = 0;
  std::vector<float> bias_;
};

}  // namespace halfbyte
