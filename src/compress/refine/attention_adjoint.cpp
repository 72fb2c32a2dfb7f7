#include "compress/refine/attention_adjoint.h"

#include <algorithm>
#include <cmath>

namespace halfbyte {

namespace {

constexpr std::size_t kQueries = 128;  // at a time

}  // namespace

// Rows [row, row + rows) of one head against the keys [first, first + keys) that any of them sees;
// rows and keys count from the start of the sample, which begins at row `begin`.
struct AttentionAdjoint::Tile {
  std::size_t begin;
  std::size_t head;
  std::size_t kv;  // its head of keys and values
  std::size_t row;
  std::size_t rows;
  std::size_t first;
  std::size_t keys;
};

namespace {

// The keys [begin, end) that a row sees.
Range visible(const StackSpec& spec, std::size_t window, std::size_t length, std::size_t row) {
  Range keys{0, spec.causal ? row + 1 : length};
  if (window > 0) {
    keys.begin = row + 1 > window ? row + 1 - window : 0;
    keys.end = std::min(keys.end, row + window);
  }
  return keys;
}

}  // namespace

// One head of keys of one sample is one thread's: what its queries add to keys and values has one
// order.
template <typename Work>
void AttentionAdjoint::for_tiles(std::span<const SampleRows> samples, const Work& work) const {
  const std::size_t group = spec_.heads / spec_.kv_heads;
  workers_.for_each(samples.size() * spec_.kv_heads, [&](std::size_t thread, std::size_t item) {
    const SampleRows& sample = samples[item / spec_.kv_heads];
    const std::size_t kv = item % spec_.kv_heads;
    for (std::size_t head = kv * group; head < (kv + 1) * group; ++head) {
      for (std::size_t row = 0; row < sample.rows; row += kQueries) {
        const std::size_t rows = std::min(kQueries, sample.rows - row);
        const std::size_t first = visible(spec_, window_, sample.rows, row).begin;
        const std::size_t end = visible(spec_, window_, sample.rows, row + rows - 1).end;
        work(thread, Tile{sample.begin, head, kv, row, rows, first, end - first}, sample.rows);
      }
    }
  });
}

// p [rows, keys] = scores before the softcap and the softmax.
void AttentionAdjoint::scores(std::size_t thread, const Tile& tile, const float* qkv,
                              float* p) const {
  const std::size_t width = row_width();
  const float* const q = qkv + (tile.begin + tile.row) * width + tile.head * spec_.head_dim;
  const float* const k =
      qkv + (tile.begin + tile.first) * width + q_width() + tile.kv * spec_.head_dim;
  std::fill_n(p, tile.rows * tile.keys, 0.0f);
  workers_.multiply(thread, {{q, width, 1},
                             transposed({k, width, 1}),
                             p,
                             tile.keys,
                             tile.rows,
                             tile.keys,
                             spec_.head_dim});
  const auto scale = static_cast<float>(spec_.attention_scale);
  for (std::size_t i = 0; i < tile.rows * tile.keys; ++i) p[i] *= scale;
}

namespace {

// Scores become probabilities; keys that a row does not see get 0. slopes (nullptr: not wanted)
// receive the softcap's derivatives.
void to_probabilities(const RowOps& ops, float cap, Range seen, std::size_t keys, float* p,
                      float* slopes) {
  std::fill(p, p + seen.begin, 0.0f);
  std::fill(p + seen.end, p + keys, 0.0f);
  for (std::size_t i = seen.begin; cap > 0.0f && i < seen.end; ++i) {
    const float t = std::tanh(p[i] / cap);
    p[i] = cap * t;
    if (slopes != nullptr) slopes[i] = 1.0f - t * t;
  }
  ops.softmax(p + seen.begin, seen.end - seen.begin);
}

}  // namespace

void AttentionAdjoint::forward(std::span<const SampleRows> samples, const float* qkv,
                               float* out) const {
  std::vector<std::vector<float>> scratch(workers_.pool().size());
  const auto cap = static_cast<float>(spec_.attention_softcap);
  for_tiles(samples, [&](std::size_t thread, const Tile& tile, std::size_t length) {
    std::vector<float>& p = scratch[thread];
    p.resize(tile.rows * tile.keys);
    scores(thread, tile, qkv, p.data());
    const std::size_t width = q_width();
    float* const to = out + (tile.begin + tile.row) * width + tile.head * spec_.head_dim;
    for (std::size_t i = 0; i < tile.rows; ++i) {
      const Range seen = visible(spec_, window_, length, tile.row + i);
      to_probabilities(ops_, cap, {seen.begin - tile.first, seen.end - tile.first}, tile.keys,
                       p.data() + i * tile.keys, nullptr);
      std::fill_n(to + i * width, spec_.head_dim, 0.0f);
    }
    const float* const v = qkv + (tile.begin + tile.first) * row_width() + q_width() + kv_width() +
                           tile.kv * spec_.head_dim;
    workers_.multiply(thread, {{p.data(), tile.keys, 1},
                               {v, row_width(), 1},
                               to,
                               width,
                               tile.rows,
                               spec_.head_dim,
                               tile.keys});
  });
}

void AttentionAdjoint::backward(std::span<const SampleRows> samples, const float* qkv,
                                const float* dout, float* dqkv) const {
  std::vector<std::vector<float>> scratch(workers_.pool().size());
  const auto cap = static_cast<float>(spec_.attention_softcap);
  for_tiles(samples, [&](std::size_t thread, const Tile& tile, std::size_t length) {
    const std::size_t cells = tile.rows * tile.keys;
    scratch[thread].assign(3 * cells, 1.0f);
    float* const p = scratch[thread].data();
    scores(thread, tile, qkv, p);
    for (std::size_t i = 0; i < tile.rows; ++i) {
      const Range seen = visible(spec_, window_, length, tile.row + i);
      to_probabilities(ops_, cap, {seen.begin - tile.first, seen.end - tile.first}, tile.keys,
                       p + i * tile.keys, p + 2 * cells + i * tile.keys);
    }
    tile_adjoint(thread, tile, qkv, dout, dqkv, scratch[thread]);
  });
}

// scratch: probabilities, memory for their gradient, slopes of the softcap; [rows, keys] each.
void AttentionAdjoint::tile_adjoint(std::size_t thread, const Tile& tile, const float* qkv,
                                    const float* dout, float* dqkv,
                                    std::vector<float>& scratch) const {
  const std::size_t cells = tile.rows * tile.keys;
  const std::size_t dim = spec_.head_dim;
  const std::size_t width = row_width();
  const std::size_t query = (tile.begin + tile.row) * width + tile.head * dim;
  const std::size_t key = (tile.begin + tile.first) * width + q_width() + tile.kv * dim;
  const std::size_t value = key + kv_width();
  float* const p = scratch.data();
  float* const ds = p + cells;
  const DenseOperand d = {dout + (tile.begin + tile.row) * q_width() + tile.head * dim, q_width(),
                          1};
  workers_.multiply(
      thread, {transposed({p, tile.keys, 1}), d, dqkv + value, width, tile.keys, dim, tile.rows});
  std::fill_n(ds, cells, 0.0f);
  workers_.multiply(
      thread, {d, transposed({qkv + value, width, 1}), ds, tile.keys, tile.rows, tile.keys, dim});
  const auto scale = static_cast<float>(spec_.attention_scale);
  for (std::size_t i = 0; i < tile.rows; ++i) {
    const float* const probability = p + i * tile.keys;
    const float* const slope = probability + 2 * cells;
    float* const gradient = ds + i * tile.keys;
    double mean = 0.0;
    for (std::size_t j = 0; j < tile.keys; ++j) {
      mean += double{probability[j]} * double{gradient[j]};
    }
    const auto level = static_cast<float>(mean);
    for (std::size_t j = 0; j < tile.keys; ++j) {
      gradient[j] = scale * slope[j] * probability[j] * (gradient[j] - level);
    }
  }
  const DenseOperand gradient = {ds, tile.keys, 1};
  workers_.multiply(
      thread, {gradient, {qkv + key, width, 1}, dqkv + query, width, tile.rows, dim, tile.keys});
  workers_.multiply(thread, {transposed(gradient),
                             {qkv + query, width, 1},
                             dqkv + key,
                             width,
                             tile.keys,
                             dim,
                             tile.rows});
}

}  // namespace halfbyte
