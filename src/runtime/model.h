// A model that is ready to run: files, description, plan and weights, with the kernels chosen.
#pragma once

#include <memory>
#include <optional>
#include <string>

#include "base/log.h"
#include "base/thread_pool.h"
#include "kernels/registry.h"
#include "model/model_files.h"
#include "model/plan.h"
#include "runtime/weights.h"

namespace halfbyte {

struct LoadOptions {
  CpuFeatures features = detect_cpu_features();
  // How inputs meet the weights; f32 is the reference path. nullopt: the best for each type.
  std::optional<Compute> compute;
  ProgressSink progress;
};

// The attention kernels for each kind of cache.
struct AttentionChoices {
  AttentionChoice plain;    // f32 keys and values
  AttentionChoice rounded;  // all others

  AttentionChoices(std::optional<Compute> compute, CpuFeatures features)
      : plain(choose_attention(DType::f32, compute, features)),
        rounded(choose_attention(DType::f16, compute, features)) {}
  const AttentionChoice& of(DType cache) const { return cache == DType::f32 ? plain : rounded; }
};

// What running needs of a model: lent by a Model, or put together for some of its blocks.
struct ModelView {
  const Plan& plan;
  const Weights& weights;
  const RowOps& ops;
  ThreadPool& pool;
  AttentionChoices attention;
};

class Model {
 public:
  // `pool` must outlive the model; it also runs it.
  Model(ModelFiles files, ThreadPool& pool, const LoadOptions& options = {});
  static std::unique_ptr<Model> open(const std::string& path, ThreadPool& pool,
                                     const LoadOptions& options = {});

  const ModelFiles& files() const { return files_; }
  const ModelSpec& spec() const { return files_.spec(); }
  const Plan& plan() const { return plan_; }
  const Weights& weights() const { return weights_; }
  const RowOps& row_ops() const { return row_ops_; }
  // For caches of that type.
  const AttentionChoice& attention(DType cache) const { return attention_.of(cache); }
  CpuFeatures features() const { return features_; }
  ThreadPool& pool() const { return pool_; }
  ModelView view() const { return {plan_, weights_, row_ops_, pool_, attention_}; }
  // True where every matrix is f32: then the KV cache is f32, too, unless asked otherwise.
  bool is_full_precision() const;
  std::uint64_t file_bytes() const { return files_.checkpoint().bytes(); }

 private:
  ModelFiles files_;
  Plan plan_;
  ThreadPool& pool_;
  CpuFeatures features_;
  const RowOps& row_ops_;
  Weights weights_;
  AttentionChoices attention_;
};

}  // namespace halfbyte
