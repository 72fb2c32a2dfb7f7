// A decoder at work on a few samples, with some of its tensors changed: how far its predictions are
// from the original's. Only what comes after the first change is run again.
//
// All runs multiply in bfloat16 where the processor can. What that rounds away is alike for the
// original and its changes, and is far below what changes of a few bits a weight do.
#pragma once

#include <memory>
#include <span>
#include <vector>

#include "compress/calibrate/block_runner.h"
#include "compress/calibrate/input_stats.h"
#include "runtime/execute.h"
#include "runtime/workspace.h"

namespace halfbyte {

// A tensor in place of the original's.
struct ChangedTensor {
  int weight = kNoWeight;  // in the plan
  DType dtype = DType::f32;
  std::vector<std::byte> rows;
  double share = 1.0;  // of its squared error that is there when it runs
};
using Changes = std::vector<std::shared_ptr<const ChangedTensor>>;

class Probe {
 public:
  // Loads the whole original, in 16 bits a weight at most, and runs it. All arguments but the
  // samples must outlive the probe.
  Probe(const ModelFiles& source, std::span<const Sample> samples, ThreadPool& pool,
        CpuFeatures features);

  const Plan& plan() const { return plan_; }
  const ModelFiles& source() const { return source_; }
  ThreadPool& pool() const { return pool_; }
  CpuFeatures features() const { return features_; }
  // A matrix of the original, [n, k].
  std::vector<float> values_of(int weight) const;
  // What the original's linear steps see.
  const InputStats& inputs_of(const Step& step) const { return inputs_.of(step); }
  const InputStats& head_inputs() const { return head_inputs_; }
  // KL of the model with these changes from the original, in nats a prediction. Blocks that changed
  // are loaded one at a time.
  double divergence(const Changes& changes);

 private:
  struct Loaded;
  using Part = std::shared_ptr<const Weights>;

  std::size_t part_of(int weight) const;
  ModelTensor bfloat16(const WeightRef& ref, const std::vector<float>& values,
                       std::vector<std::byte>& rows) const;
  ModelTensor rounded(int weight, std::vector<std::byte>& rows) const;
  ModelTensor blended(const ChangedTensor& changed, std::vector<std::byte>& rows) const;
  Part load(std::size_t part, const Changes& changes);
  Part part(std::size_t index, const Changes& changes);
  Pass pass_of(const Weights& weights, const StackPlan& stack);
  double run(const Changes& changes, std::size_t first_block, bool embedded);
  void see_head(const Weights& ends);
  double score(const Weights& ends);
  void logits(const Weights& ends, std::uint64_t begin, std::uint64_t rows, float* logits);
  double log_norm(const float* logits, float* probabilities) const;
  double expected(std::size_t row, const float* logits, double norm) const;
  void keep_reference(std::size_t row, const float* logits);
  double compare(std::size_t row, const float* logits) const;

  const ModelFiles& source_;
  ModelFiles files_;  // with the tensors of whichever part is loaded
  ThreadPool& pool_;
  CpuFeatures features_;
  Plan plan_;
  std::vector<Block> blocks_;
  std::vector<std::size_t> parts_;  // of each weight; 0: the ends, 1 + i: block i
  const RowOps& ops_;
  std::vector<TokenId> tokens_;
  std::vector<Segment> segments_;
  RopeTable ropes_;
  std::uint64_t longest_;  // rows of a segment
  Workspace workspace_;
  StatsTap inputs_;
  InputStats head_inputs_;
  std::vector<Part> original_;               // by part
  std::vector<std::vector<float>> streams_;  // the original's, before each block and after the last
  std::vector<float> reference_;             // its probabilities, of the scored rows
  std::vector<double> expected_;             // log probability of each
  bool watching_ = false;                    // the original's first run
};

}  // namespace halfbyte
