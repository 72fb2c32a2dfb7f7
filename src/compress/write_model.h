// What compress() and convert() share: jobs through the engine into an output.
#pragma once

#include "base/log.h"
#include "base/thread_pool.h"
#include "compress/methods.h"
#include "compress/target.h"

namespace halfbyte {

struct WriteRequest {
  const ModelFiles& source;
  const Tokenizer* tokenizer;
  std::string out;
  const Target& target;
  TypePolicy policy;
  EncodeWeights encode;
  Json method_json;  // for the bundle: null where nothing is quantized
  Json options;
  std::string_view what;  // "compressing"
  bool finite = false;    // weights that are not finite are refused
};

// Fails with kUsage where writing `out` would destroy the source or something that is no model.
void check_output(const std::string& source, const std::string& out, bool folder);

CompressReport write_model(const WriteRequest& request, ThreadPool& pool,
                           const ProgressSink& progress);

}  // namespace halfbyte
