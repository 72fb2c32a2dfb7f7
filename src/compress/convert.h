// Converting: the same weights in another format.
#pragma once

#include <string>

#include "base/log.h"
#include "base/thread_pool.h"
#include "compress/report.h"
#include "model/model_files.h"
#include "tokenizer/tokenizer.h"

namespace halfbyte {

// With "keep" every matrix keeps its type, block types too; with f32, f16 or bf16 all become that.
// Norms, biases and small tables are f32 in GGUF files and bundles, as kernels need them.
struct ConvertOptions {
  std::string to = "gguf";     // safetensors, gguf, bundle
  std::string dtype = "keep";  // keep, f32, f16, bf16
};

// As compress() (see compress.h), without quantizing. Fails with kUsage where block types are to be
// kept in a format that has none.
CompressReport convert(const ModelFiles& source, const Tokenizer* tokenizer, const std::string& out,
                       const ConvertOptions& options, ThreadPool& pool,
                       const ProgressSink& progress = {});

}  // namespace halfbyte
