// A model's weights as the kernels read them: packed matrices with the kernels chosen for them.
//
// A bundle's matrices are used where they are mapped. Other formats are packed into one arena while
// loading, on all threads, and the pages of the file are given back as they are done with.
#pragma once

#include <functional>
#include <optional>
#include <vector>

#include "base/log.h"
#include "base/thread_pool.h"
#include "kernels/registry.h"
#include "model/model_files.h"
#include "model/plan.h"
#include "runtime/arena.h"

namespace halfbyte {

struct Weight {
  bool present = false;  // false: an optional vector that the checkpoint lacks, or not wanted
  // matrix, and a table that is the head, too
  PackedMatrix matrix;
  LinearChoice kernels;
  // table that is only looked up: rows as they stand in the file
  TensorView rows;
  // vector, f32
  const float* vector = nullptr;
};

struct WeightsOptions {
  CpuFeatures features;
  std::optional<Compute> compute;  // how inputs meet the weights; nullopt: the best for each type
  ProgressSink progress;
  // Which of the plan's weights to load; empty: all. The others stay absent.
  std::function<bool(int index)> wanted;
  // Float matrices are rounded to this type as they are packed, where their rows allow it, and get
  // the kernels that suit it best, whatever `compute` says.
  std::optional<DType> rounded = std::nullopt;
};

class Weights {
 public:
  // Fails with kMalformed where a tensor is missing or has another shape than the plan says, with
  // kUnsupported where its type has no kernels. `files` must outlive the weights.
  Weights(const ModelFiles& files, const Plan& plan, const WeightsOptions& options,
          ThreadPool& pool);

  const Weight& operator[](int index) const { return weights_[static_cast<std::size_t>(index)]; }
  std::uint64_t own_bytes() const { return arena_.size(); }  // not counting mapped files
  // Row `row` of a table as f32 [k].
  void lookup(int index, std::uint64_t row, float* dst) const;

 private:
  const ModelTensor* check(const WeightRef& ref) const;
  void load(const WeightRef& ref, const ModelTensor& tensor, bool is_head, Weight& weight,
            ThreadPool& pool);
  void load_matrix(const WeightRef& ref, const ModelTensor& tensor, Weight& weight,
                   ThreadPool& pool);
  DType packed_type(const WeightRef& ref, const ModelTensor& tensor) const;
  void load_vector(const ModelTensor& tensor, std::uint64_t n, Weight& weight);

  const ModelFiles& files_;
  std::optional<DType> rounded_;
  Arena arena_;
  std::vector<Weight> weights_;
};

}  // namespace halfbyte
