#include "compress/refine/block_graph.h"

#include <algorithm>
#include <string>

#include <fmt/format.h>

#include "base/error.h"
#include "compress/refine/row_adjoints.h"

namespace halfbyte {

struct BlockGraph::Row {
  Op op;
  void (BlockGraph::*forward)(const Step& step, Saved& saved);
  void (BlockGraph::*backward)(const Step& step, const Saved& saved);
};

const BlockGraph::Row* BlockGraph::find_row(Op op) {
  static constexpr Row kRows[] = {
      {Op::linear, &BlockGraph::linear, &BlockGraph::linear_back},
      {Op::norm, &BlockGraph::norm, &BlockGraph::norm_back},
      {Op::rotate, &BlockGraph::rotate, &BlockGraph::rotate_back},
      {Op::store, &BlockGraph::nothing, &BlockGraph::nothing_back},
      {Op::attention, &BlockGraph::attention, &BlockGraph::attention_back},
  };
  const auto* const found = std::find_if(std::begin(kRows), std::end(kRows),
                                         [op](const Row& row) { return row.op == op; });
  return found != std::end(kRows) ? found : nullptr;
}

std::string_view BlockGraph::obstacle(const StackPlan& stack) {
  if (stack.relative_bias != kNoWeight) return "relative position biases";
  if (stack.spec.experts) return "mixtures of experts";
  const bool all = std::all_of(stack.steps.begin(), stack.steps.end(),
                               [](const Step& step) { return find_row(step.op) != nullptr; });
  return all ? "" : "cross attention";
}

namespace {

constexpr std::size_t kRowsAtOnce = 8;
constexpr Buffer kBuffers[] = {Buffer::residual, Buffer::qkv, Buffer::attended, Buffer::ffn,
                               Buffer::branch};

}  // namespace

BlockGraph::BlockGraph(const Plan& plan, const StackPlan& stack, const Block& block,
                       std::uint64_t longest, const RowOps& ops, DenseWorkers& workers)
    : plan_(plan),
      spec_(stack.spec),
      steps_(std::span(stack.steps).subspan(block.begin, block.end - block.begin)),
      ops_(ops),
      workers_(workers),
      ropes_(stack.spec),
      saved_(steps_.size()) {
  if (const std::string_view found = obstacle(stack); !found.empty()) {
    fail_unsupported("", fmt::format("refine cannot train {} yet", found));
  }
  for (const Buffer buffer : kBuffers) {
    widths_[static_cast<std::size_t>(buffer)] = plan.width_of(buffer);
  }
  ropes_.extend(longest, longest);
}

const std::vector<float>& BlockGraph::forward(std::span<const GraphWeight> weights,
                                              std::span<const SampleRows> samples,
                                              const std::vector<float>& rows, bool train) {
  weights_ = weights;
  samples_.assign(samples.begin(), samples.end());
  count_ = samples.back().begin + samples.back().rows;
  for (const Buffer buffer : kBuffers) this->rows(buffer).resize(count_ * width(buffer));
  this->rows(Buffer::residual) = rows;
  Saved unused;
  for (std::size_t i = 0; i < steps_.size(); ++i) {
    const Step& step = steps_[i];
    Saved& saved = train ? saved_[i] : unused;
    if (train && step.op != Op::store) saved.in = this->rows(step.in);
    (this->*find_row(step.op)->forward)(step, saved);
  }
  return this->rows(Buffer::residual);
}

void BlockGraph::backward(std::span<const GraphWeight> weights,
                          const std::vector<float>& gradient) {
  weights_ = weights;
  for (const Buffer buffer : kBuffers) slope(buffer).assign(count_ * width(buffer), 0.0f);
  slope(Buffer::residual) = gradient;
  for (std::size_t i = steps_.size(); i-- > 0;) {
    (this->*find_row(steps_[i].op)->backward)(steps_[i], saved_[i]);
  }
}

void BlockGraph::for_rows(const std::function<void(std::size_t row)>& work) const {
  workers_.pool().parallel_for(count_, kRowsAtOnce, [&](std::size_t begin, std::size_t end) {
    for (std::size_t row = begin; row < end; ++row) work(row);
  });
}

void BlockGraph::for_positions(
    const std::function<void(std::size_t row, std::size_t position)>& work) const {
  for_rows([&](std::size_t row) {
    const auto after = std::upper_bound(
        samples_.begin(), samples_.end(), row,
        [](std::size_t value, const SampleRows& sample) { return value < sample.begin; });
    work(row, row - (after - 1)->begin);
  });
}

// C = A B, or C += A B.
void BlockGraph::product(const DenseProduct& product, bool add) {
  workers_.for_each(dense_tiles(product, DensePart::all),
                    [&](std::size_t thread, std::size_t index) {
                      const DenseProduct tile = dense_tile(product, DensePart::all, index);
                      for (std::size_t row = 0; !add && row < tile.m; ++row) {
                        std::fill_n(tile.c + row * tile.stride, tile.n, 0.0f);
                      }
                      workers_.multiply(thread, tile);
                    });
}

void BlockGraph::normed(const NormRef& norm, const float* x, float* y) const {
  const float* const factors = weight(norm.weight).value;
  const std::size_t n = ref(norm.weight).n;
  const auto eps = static_cast<float>(spec_.norm_eps);
  if (spec_.norm == NormKind::rms) {
    ops_.rms_norm(x, factors, spec_.norm_offset, eps, n, y);
  } else {
    ops_.layer_norm(x, factors, weight(norm.bias).value, eps, n, y);
  }
}

void BlockGraph::normed_back(const NormRef& norm, const float* x, const float* dy,
                             float* dx) const {
  const float* const factors = weight(norm.weight).value;
  const std::size_t n = ref(norm.weight).n;
  const auto eps = static_cast<float>(spec_.norm_eps);
  if (spec_.norm == NormKind::rms) {
    rms_norm_adjoint(x, factors, spec_.norm_offset, eps, n, dy, dx);
  } else {
    layer_norm_adjoint(x, factors, eps, n, dy, dx);
  }
}

void BlockGraph::prologue(const Step& step, const float* x, float* y) const {
  switch (step.prologue) {
    case Prologue::none:
      std::copy_n(x, inputs_of(step), y);
      break;
    case Prologue::norm:
      normed(step.norm, x, y);
      break;
    case Prologue::activation:
      if (spec_.gated) {
        ops_.activate_gated(spec_.activation, x, x + spec_.ffn, spec_.ffn, y);
      } else {
        ops_.activate(spec_.activation, x, spec_.ffn, y);
      }
      break;
  }
}

// dx = of the step's inputs before the prologue.
void BlockGraph::prologue_back(const Step& step, const float* x, const float* dy, float* dx) const {
  switch (step.prologue) {
    case Prologue::none:
      std::copy_n(dy, inputs_of(step), dx);
      break;
    case Prologue::norm:
      normed_back(step.norm, x, dy, dx);
      break;
    case Prologue::activation:
      if (spec_.gated) {
        gated_adjoint(spec_.activation, x, x + spec_.ffn, spec_.ffn, dy, dx, dx + spec_.ffn);
      } else {
        activation_adjoint(spec_.activation, x, spec_.ffn, dy, dx);
      }
      break;
  }
}

void BlockGraph::linear(const Step& step, Saved& saved) {
  const std::size_t k = inputs_of(step);
  const std::vector<float>& in = rows(step.in);
  saved.ready.resize(count_ * k);
  for_rows(
      [&](std::size_t row) { prologue(step, &in[row * width(step.in)], &saved.ready[row * k]); });
  const std::size_t stride = width(step.out);
  for (const Piece& piece : step.pieces) {
    const std::size_t n = ref(piece.weight).n;
    float* const out = rows(step.out).data() + piece.column;
    const DenseOperand w = {weight(piece.weight).value, k, 1};
    product({{saved.ready.data(), k, 1}, transposed(w), out, stride, count_, n, k},
            step.accumulate);
    const float* const bias = piece.bias == kNoWeight ? nullptr : weight(piece.bias).value;
    if (bias != nullptr) for_rows([&](std::size_t row) { ops_.add(bias, n, out + row * stride); });
  }
}

void BlockGraph::linear_back(const Step& step, const Saved& saved) {
  const std::size_t k = inputs_of(step);
  const std::size_t stride = width(step.out);
  const bool needs_inputs = &step != &steps_.front();  // nothing before it is trained
  std::vector<float> inputs(needs_inputs ? count_ * k : 0);
  for (const Piece& piece : step.pieces) {
    const std::size_t n = ref(piece.weight).n;
    const GraphWeight w = weight(piece.weight);
    const DenseOperand d = {slope(step.out).data() + piece.column, stride, 1};
    if (w.gradient != nullptr) {
      product({transposed(d), {saved.ready.data(), k, 1}, w.gradient, k, n, k, count_}, false);
    }
    if (!needs_inputs) continue;
    product({d, {w.value, k, 1}, inputs.data(), k, count_, k, n}, &piece != &step.pieces.front());
  }
  if (!step.accumulate) std::fill(slope(step.out).begin(), slope(step.out).end(), 0.0f);
  if (!needs_inputs) return;
  const std::size_t in = width(step.in);
  std::vector<float>& to = slope(step.in);
  const bool whole = step.prologue == Prologue::activation;
  const std::size_t used = whole ? std::size_t{spec_.ffn} * (spec_.gated ? 2 : 1) : k;
  workers_.pool().parallel_for(count_, kRowsAtOnce, [&](std::size_t begin, std::size_t end) {
    std::vector<float> dx(used);
    for (std::size_t row = begin; row < end; ++row) {
      prologue_back(step, &saved.in[row * in], &inputs[row * k], dx.data());
      ops_.add(dx.data(), used, &to[row * in]);
    }
  });
}

void BlockGraph::norm(const Step& step, Saved&) {
  const std::size_t n = plan_.spec.width;
  workers_.pool().parallel_for(count_, kRowsAtOnce, [&](std::size_t begin, std::size_t end) {
    std::vector<float> y(n);
    for (std::size_t row = begin; row < end; ++row) {
      normed(step.norm, &rows(step.in)[row * n], y.data());
      float* const to = &rows(step.out)[row * n];
      if (step.accumulate) {
        ops_.add(y.data(), n, to);
      } else {
        std::copy(y.begin(), y.end(), to);
      }
    }
  });
}

void BlockGraph::norm_back(const Step& step, const Saved& saved) {
  const std::size_t n = plan_.spec.width;
  workers_.pool().parallel_for(count_, kRowsAtOnce, [&](std::size_t begin, std::size_t end) {
    std::vector<float> dx(n);
    for (std::size_t row = begin; row < end; ++row) {
      float* const dy = &slope(step.out)[row * n];
      normed_back(step.norm, &saved.in[row * n], dy, dx.data());
      if (!step.accumulate) std::fill_n(dy, n, 0.0f);
      ops_.add(dx.data(), n, &slope(step.in)[row * n]);
    }
  });
}

void BlockGraph::rotate_heads(const Step& step, std::size_t position, float* x, std::size_t heads,
                              int norm_weight) const {
  const std::size_t dim = spec_.head_dim;
  for (std::size_t h = 0; norm_weight != kNoWeight && h < heads; ++h) {
    ops_.rms_norm(x + h * dim, weight(norm_weight).value, spec_.norm_offset,
                  static_cast<float>(spec_.norm_eps), dim, x + h * dim);
  }
  if (spec_.position != PositionKind::rope) return;
  const std::uint32_t rope = spec_.layers[step.layer].rope;
  ops_.rope(x, heads, dim, spec_.ropes[rope].dim, ropes_.at(rope, position),
            spec_.rope_interleaved);
}

void BlockGraph::rotate_heads_back(const Step& step, std::size_t position, const float* x, float* d,
                                   std::size_t heads, int norm_weight) const {
  const std::size_t dim = spec_.head_dim;
  if (spec_.position == PositionKind::rope) {
    const std::uint32_t rope = spec_.layers[step.layer].rope;
    rope_adjoint(d, heads, dim, spec_.ropes[rope].dim, ropes_.at(rope, position),
                 spec_.rope_interleaved);
  }
  for (std::size_t h = 0; norm_weight != kNoWeight && h < heads; ++h) {
    rms_norm_adjoint(x + h * dim, weight(norm_weight).value, spec_.norm_offset,
                     static_cast<float>(spec_.norm_eps), dim, d + h * dim, d + h * dim);
  }
}

void BlockGraph::rotate(const Step& step, Saved&) {
  const std::size_t q = std::size_t{spec_.heads} * spec_.head_dim;
  for_positions([&](std::size_t row, std::size_t position) {
    float* const x = &rows(Buffer::qkv)[row * width(Buffer::qkv)];
    rotate_heads(step, position, x, spec_.heads, step.norm.weight);
    rotate_heads(step, position, x + q, spec_.kv_heads, step.norm.bias);
  });
}

void BlockGraph::rotate_back(const Step& step, const Saved& saved) {
  const std::size_t q = std::size_t{spec_.heads} * spec_.head_dim;
  for_positions([&](std::size_t row, std::size_t position) {
    const std::size_t at = row * width(Buffer::qkv);
    const float* const x = &saved.in[at];
    float* const d = &slope(Buffer::qkv)[at];
    rotate_heads_back(step, position, x, d, spec_.heads, step.norm.weight);
    rotate_heads_back(step, position, x + q, d + q, spec_.kv_heads, step.norm.bias);
  });
}

AttentionAdjoint BlockGraph::attention_of(const Step& step) const {
  return {spec_, spec_.layers[step.layer].window, ops_, workers_};
}

void BlockGraph::attention(const Step& step, Saved&) {
  attention_of(step).forward(samples_, rows(Buffer::qkv).data(), rows(Buffer::attended).data());
}

void BlockGraph::attention_back(const Step& step, const Saved& saved) {
  std::vector<float>& from = slope(Buffer::attended);
  attention_of(step).backward(samples_, saved.in.data(), from.data(), slope(Buffer::qkv).data());
  std::fill(from.begin(), from.end(), 0.0f);
}

void BlockGraph::nothing(const Step&, Saved&) {}
void BlockGraph::nothing_back(const Step&, const Saved&) {}

}  // namespace halfbyte
