// A block of the plan with its adjoint: what comes out of it for rows of the stream, and how a loss
// of that depends on its matrices. In f32 throughout; a step is a row of a table, forward and
// backward, so that whichever family uses these steps can be trained.
#pragma once

#include <array>
#include <functional>
#include <span>
#include <string_view>
#include <vector>

#include "compress/calibrate/block_runner.h"
#include "compress/linalg.h"
#include "compress/refine/attention_adjoint.h"
#include "kernels/row_ops.h"
#include "model/plan.h"
#include "runtime/rope_table.h"

namespace halfbyte {

// value: f32 [n, k] or [n], nullptr for what the checkpoint does not hold.
// gradient: where the gradient goes, f32 [n, k]; nullptr for what is not asked for.
struct GraphWeight {
  const float* value = nullptr;
  float* gradient = nullptr;
};

class BlockGraph {
 public:
  // All references must outlive the graph. Samples have at most `longest` rows. Fails with
  // kUnsupported where the block holds a step that has no adjoint.
  BlockGraph(const Plan& plan, const StackPlan& stack, const Block& block, std::uint64_t longest,
             const RowOps& ops, DenseWorkers& workers);
  // What blocks of the stack have that cannot be trained; "" where there is nothing.
  static std::string_view obstacle(const StackPlan& stack);

  // Weights by their index in the plan. Residual rows [rows of all samples, width] after the block,
  // given those before it; valid until the next call. What backward() needs is kept if `train`.
  const std::vector<float>& forward(std::span<const GraphWeight> weights,
                                    std::span<const SampleRows> samples,
                                    const std::vector<float>& rows, bool train);
  // Given the loss's gradient by what forward() with `train` gave: the weights' gradients.
  void backward(std::span<const GraphWeight> weights, const std::vector<float>& gradient);

 private:
  struct Saved {
    std::vector<float> in;     // the step's in buffer
    std::vector<float> ready;  // a linear step's inputs, after the prologue
  };
  struct Row;                         // of the table of steps
  static const Row* find_row(Op op);  // nullptr where there is none
  using Buffers = std::array<std::vector<float>, 5>;

  void linear(const Step& step, Saved& saved);
  void norm(const Step& step, Saved& saved);
  void rotate(const Step& step, Saved& saved);
  void attention(const Step& step, Saved& saved);
  void nothing(const Step& step, Saved& saved);
  void linear_back(const Step& step, const Saved& saved);
  void norm_back(const Step& step, const Saved& saved);
  void rotate_back(const Step& step, const Saved& saved);
  void attention_back(const Step& step, const Saved& saved);
  void nothing_back(const Step& step, const Saved& saved);

  void prologue(const Step& step, const float* x, float* y) const;
  void prologue_back(const Step& step, const float* x, const float* dy, float* dx) const;
  void normed(const NormRef& norm, const float* x, float* y) const;
  void normed_back(const NormRef& norm, const float* x, const float* dy, float* dx) const;
  void rotate_heads(const Step& step, std::size_t position, float* x, std::size_t heads,
                    int norm_weight) const;
  void rotate_heads_back(const Step& step, std::size_t position, const float* x, float* d,
                         std::size_t heads, int norm_weight) const;
  void for_rows(const std::function<void(std::size_t row)>& work) const;
  void for_positions(const std::function<void(std::size_t row, std::size_t position)>& work) const;
  void product(const DenseProduct& product, bool add);
  std::size_t width(Buffer buffer) const { return widths_[static_cast<std::size_t>(buffer)]; }
  std::vector<float>& rows(Buffer buffer) { return buffers_[static_cast<std::size_t>(buffer)]; }
  std::vector<float>& slope(Buffer buffer) { return slopes_[static_cast<std::size_t>(buffer)]; }
  const WeightRef& ref(int index) const { return plan_.weights[static_cast<std::size_t>(index)]; }
  const GraphWeight& weight(int index) const { return weights_[static_cast<std::size_t>(index)]; }
  std::size_t inputs_of(const Step& step) const { return ref(step.pieces.front().weight).k; }
  AttentionAdjoint attention_of(const Step& step) const;

  const Plan& plan_;
  const StackSpec& spec_;
  std::span<const Step> steps_;
  const RowOps& ops_;
  DenseWorkers& workers_;
  RopeTable ropes_;
  std::array<std::size_t, 5> widths_{};
  Buffers buffers_;
  Buffers slopes_;  // the loss's gradient by the buffers
  std::vector<Saved> saved_;
  std::vector<SampleRows> samples_;
  std::size_t count_ = 0;  // of rows
  std::span<const GraphWeight> weights_;
};

}  // namespace halfbyte
