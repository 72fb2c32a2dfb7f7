// Options that several commands share, declared once.
#pragma once

#include <memory>
#include <optional>
#include <string>

#include "runtime/generate.h"
#include "runtime/model.h"
#include "runtime/session.h"

namespace CLI {
class App;
}

namespace halfbyte {

// How a model is run.
struct RuntimeOptions {
  std::size_t threads = 0;
  std::string isa;
  std::string activations;
  std::uint64_t context = 0;
  std::string kv;
  bool json = false;

  void declare(CLI::App& app, bool with_context = true, bool with_json = true);
  CpuFeatures features() const;
  std::optional<Compute> compute() const;
  LoadOptions load_options() const;
  SessionOptions session_options() const;
};

// How tokens are chosen.
struct SamplingFlags {
  GenerateOptions generate;
  void declare(CLI::App& app);
};

// A model that is loaded together with what runs it; load_s is the time it took.
struct LoadedModel {
  std::unique_ptr<ThreadPool> pool;
  std::unique_ptr<Model> model;
  double load_seconds = 0.0;
};
LoadedModel load_model(const std::string& path, const RuntimeOptions& options);

}  // namespace halfbyte
