// Compressing: a model of any format becomes a smaller one, in one pass or, where a method looks at
// the model at work on a text, block by block.
#pragma once

#include <optional>
#include <string>

#include "base/log.h"
#include "base/thread_pool.h"
#include "compress/allocate/allocate.h"
#include "compress/calibrate/quantize.h"
#include "compress/report.h"
#include "model/model_files.h"
#include "tokenizer/tokenizer.h"

namespace halfbyte {

// Which type a tensor gets: matrices of blocks, the token embedding and the head what the type's
// row in the table of output types says (compress/mixes.h), the last two unless named here; norms,
// biases, position and token type tables f32; rows that are no multiple of the type's block the
// type that stands in for it, with a note. A tied head is the embedding: name one of the two types,
// not both.
struct CompressOptions {
  std::string method = "rtn";       // or several, in order: "awq,gptq"
  std::string type = "";            // a row of the table of output types; "" = by the method
  std::string embedding_type = "";  // "" = by `type`
  std::string head_type = "";       // "" = by `type`
  std::string to = "bundle";        // bundle, gguf, safetensors (only f16, bf16, f32)
  bool symmetric = false;           // zero points of wBgG types stay in the middle
  // For methods that need a text; rtn weighs errors by the inputs where it has one.
  std::optional<CalibrationOptions> calibration = std::nullopt;
  // A type for each tensor instead of `type`, so that all keep within it; needs a text.
  std::optional<Budget> budget = std::nullopt;
};

// Writes `out` (a file for gguf, else a folder), replacing it whole when all is done; an output of
// another kind, or one that is the source, is refused. Memory does not grow with the model. Fails
// with kUsage, kMalformed or kUnsupported (the source), kFailed (cannot write).
//
// With calibration finished blocks are kept in a hidden folder beside `out` until all is done, and
// stay there when the run fails or is killed, for a run with `resume`.
CompressReport compress(const ModelFiles& source, const Tokenizer* tokenizer,
                        const std::string& out, const CompressOptions& options, ThreadPool& pool,
                        const ProgressSink& progress = {});

}  // namespace halfbyte
