// Running a model block by block over many samples: the residual stream of all of them goes through
// one block after another, so that only one block's weights are in memory at a time.
//
// Between blocks the stream is bfloat16 [tokens, width] a sample, in a file; two files take turns,
// one read and one written, so that a killed run can begin again at its block.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "base/scratch_file.h"
#include "compress/calibrate/samples.h"
#include "runtime/execute.h"
#include "runtime/weights.h"

namespace halfbyte {

// Consecutive steps of one layer of a stack.
struct Block {
  std::size_t index = 0;  // among all blocks
  bool encoder = false;
  std::uint32_t layer = 0;
  std::size_t begin = 0;
  std::size_t end = 0;
};
// Encoder first. Steps after the last layer (a final norm) belong to no block.
std::vector<Block> blocks_of(const Plan& plan);
// Indices of all weights that the block's steps read, without repetition.
std::vector<int> weights_of(const Plan& plan, const Block& block);
// The norm before the head as a step of its own, into the branch buffer.
StackPlan head_norm_of(const Plan& plan);

// The numbers of one run over the samples.
struct BlockPass {
  std::optional<Compute> compute;  // how inputs meet the weights; nullopt: the best for each type
  // Float matrices are rounded to this type first, where their rows allow it.
  std::optional<DType> rounded = std::nullopt;
  InputTap* tap = nullptr;
  std::size_t end = SIZE_MAX;  // of the block's steps to run, if not all
  // Write what comes out: the next block's input. Otherwise only the tap wants to know, and the
  // last product is not computed.
  bool keep = false;
};

class BlockRunner {
 public:
  // `files` may have tensors replaced between passes. `folder` holds the stream's files. `tick` is
  // called for each sample of a run. All must outlive the runner. An encoder-decoder's decoder
  // reads each sample too, one token later.
  BlockRunner(const ModelFiles& files, std::span<const Sample> samples, const std::string& folder,
              ThreadPool& pool, CpuFeatures features, std::function<void()> tick);
  ~BlockRunner();
  BlockRunner(const BlockRunner&) = delete;
  BlockRunner& operator=(const BlockRunner&) = delete;

  const Plan& plan() const;
  const StackPlan& stack_of(const Block& block) const;
  // The stream before `block`: from the tokens at the start of a stack, else as finish() of the
  // block before left it, in this run or in an earlier one.
  void begin(const Block& block);
  void run(const Block& block, const BlockPass& pass);
  // The stream [tokens, width] of one sample before `block`, after begin().
  void read(const Block& block, std::size_t sample, float* rows);
  // What the last kept pass wrote is on the disk.
  void finish(const Block& block);
  // Calls `see` with the head's inputs [rows, width], some samples at a time; after the last block.
  void for_head_inputs(const std::function<void(const float* x, std::uint64_t rows)>& see);

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace halfbyte
