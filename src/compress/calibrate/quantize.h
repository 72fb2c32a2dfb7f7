// Calibrated quantization: one block after another is seen at work, quantized and run again.
#pragma once

#include <string>
#include <unordered_map>
#include <vector>

#include "base/log.h"
#include "base/thread_pool.h"
#include "compress/calibrate/block_store.h"
#include "compress/calibrate/samples.h"
#include "compress/methods.h"
#include "kernels/cpu_features.h"
#include "model/model_files.h"

namespace halfbyte {

// How a calibrated compression goes through the model.
struct CalibrationOptions {
  std::vector<Sample> samples;
  // What the next block sees: outputs of the quantized block, or of the block as it was.
  bool original_inputs = false;
  // The matrices of a block one after the other, each seeing what the quantized ones before it
  // give (one more run over the samples for each), instead of all from one run. Not with
  // original_inputs.
  bool sequential = false;
  // Go on with what an earlier, killed run has finished.
  bool resume = false;
  CpuFeatures features = detect_cpu_features();
};

// Quantizes the blocks of `files` into `store`, beginning after those that are in it, and puts them
// in place of the files' tensors. `types`: of all matrices, by name; those of float types are only
// converted. Bytes depend neither on the number of threads nor on where a run was resumed. Fails
// with kMalformed for a weight or an activation that is not finite, with kFailed for a full disk.
void quantize_blocks(ModelFiles& files, const Recipe& recipe,
                     const std::unordered_map<std::string, DType>& types,
                     const CalibrationOptions& options, BlockStore& store, ThreadPool& pool,
                     const ProgressSink& progress, std::vector<std::string>& notes);

}  // namespace halfbyte
