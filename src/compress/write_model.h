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
  const Method& method;
  Json method_json;  // for the bundle: null where nothing is quantized
  Json options;
  std::string_view what;  // "compressing"
};

CompressReport write_model(const WriteRequest& request, ThreadPool& pool,
                           const ProgressSink& progress);

}  // namespace halfbyte
