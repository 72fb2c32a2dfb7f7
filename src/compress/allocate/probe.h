// A decoder at work on a few samples, with some of its tensors changed: how far its predictions are
// from the original's. Only what comes after the first change is run again.
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
};

// A model, and what its run over the samples gave. Copies share all that is the same.
struct Variant {
  std::vector<std::shared_ptr<const ChangedTensor>> tensors;  // by weight; null: the original's
  std::vector<std::shared_ptr<const Weights>> parts;  // the ends (embedding and head), then blocks
  std::vector<std::shared_ptr<const std::vector<float>>> streams;  // before each block and the head
  double divergence = 0.0;  // KL from the original in nats a prediction
};

class Probe {
 public:
  // Loads the whole original and runs it. All arguments must outlive the probe.
  Probe(const ModelFiles& source, std::span<const Sample> samples, ThreadPool& pool,
        CpuFeatures features);

  const Plan& plan() const { return plan_; }
  const ModelFiles& source() const { return source_; }
  ThreadPool& pool() const { return pool_; }
  CpuFeatures features() const { return features_; }
  const Variant& original() const { return original_; }
  // What the original's linear steps see.
  const InputStats& inputs_of(const Step& step) const { return inputs_.of(step); }
  const InputStats& head_inputs() const { return head_inputs_; }
  // `from` with other tensors, run again.
  Variant change(const Variant& from, std::vector<ChangedTensor> tensors);

 private:
  std::size_t part_of(int weight) const;
  std::vector<int> weights_of_part(std::size_t part) const;
  void load(Variant& variant, std::size_t part);
  Pass pass_of(const Variant& variant, std::size_t part, const StackPlan& stack);
  void embed(const Variant& variant);
  void run(Variant& variant, std::size_t first_block, bool embedded);
  void finish(const Variant& variant);
  void see_head(const Variant& variant);
  double score(const Variant& variant);
  void logits(const Variant& variant, std::uint64_t begin, std::uint64_t rows, float* logits);
  double compare(std::size_t row, const float* own) const;

  const ModelFiles& source_;
  ModelFiles files_;  // with the tensors of whichever variant is loaded
  ThreadPool& pool_;
  CpuFeatures features_;
  Plan plan_;
  std::vector<Block> blocks_;
  const RowOps& ops_;
  std::vector<TokenId> tokens_;
  std::vector<Segment> segments_;
  RopeTable ropes_;
  Workspace workspace_;
  StatsTap inputs_;
  InputStats head_inputs_;
  std::vector<float> reference_;  // the original's logits of the scored rows
  std::vector<double> norms_;     // their log_sum_exp
  Variant original_;
  bool watching_ = false;  // the original's first run
};

}  // namespace halfbyte
