// One block on its way to being quantized, as transforms see it.
#pragma once

#include <cstddef>
#include <functional>
#include <map>
#include <span>
#include <string>
#include <unordered_map>
#include <vector>

#include "compress/calibrate/block_runner.h"
#include "compress/calibrate/input_stats.h"
#include "kernels/row_ops.h"

namespace halfbyte {

// The weights of a block as f32, by their index in the plan; loaded when asked for.
class BlockWeights {
 public:
  BlockWeights(const ModelFiles& files, const Plan& plan, ThreadPool& pool)
      : files_(files), plan_(plan), pool_(pool) {}

  // [n, k] or [n], to be changed in place. The weight must be there.
  std::vector<float>& values(int weight);
  bool has(int weight) const;  // a weight is named and the checkpoint holds it
  const std::map<int, std::vector<float>>& all() const { return values_; }
  // What has been asked for takes the place of the files' tensors, as f32.
  void replace_in(ModelFiles& files) const;

 private:
  const ModelFiles& files_;
  const Plan& plan_;
  ThreadPool& pool_;
  std::map<int, std::vector<float>> values_;
};

struct BlockTask {
  const Plan& plan;
  const StackPlan& stack;
  const Block& block;
  StatsTap& inputs;  // of all linear steps of the block; a transform scales them along
  BlockWeights& weights;
  const std::unordered_map<std::string, DType>& types;  // that matrices will get, by name
  ThreadPool& pool;
  DenseWorkers& workers;
  ScaleRules rules = {};  // as the recipe has them
};

// A matrix of a block with the codes that a solver has chosen.
struct RefineMatrix {
  int weight = kNoWeight;
  DType dtype = DType::f32;
  std::span<std::byte> rows;  // encoded
};

// One block once it is quantized, as refinements of the whole block see it.
struct RefineTask {
  const Plan& plan;
  const StackPlan& stack;
  const Block& block;
  BlockWeights& weights;            // as they were before they were quantized
  std::vector<std::uint64_t> rows;  // of each sample
  // The stream [rows, width] of a sample before the block.
  std::function<void(std::size_t sample, float* stream)> read;
  std::vector<RefineMatrix> matrices;
  const std::string& folder;  // for files that do not outlive the task
  const RowOps& ops;
  DenseWorkers& workers;
  ScaleRules rules = {};  // as the recipe has them
};

}  // namespace halfbyte
