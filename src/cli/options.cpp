#include "cli/options.h"

#include <chrono>

#include <CLI/CLI.hpp>
#include <fmt/format.h>

#include "base/error.h"
#include "cli/terminal.h"

namespace halfbyte {

void RuntimeOptions::declare(CLI::App& app, bool with_context, bool with_json) {
  app.add_option("-t,--threads", threads, "Threads (default: the cores that this process may use)")
      ->check(CLI::Range(1, 1024));
  app.add_option("--isa", isa,
                 "Use CPU features up to this level only: scalar, avx2, avxvnni, avx512vnni, ...");
  app.add_option(
         "--activations", activations,
         "How inputs meet the weights: int8, bf16, f32 (the reference path); default: what suits "
         "the weights' type and the CPU")
      ->check(CLI::IsMember({"int8", "bf16", "f32"}));
  if (with_json) app.add_flag("--json", json, "Print JSON");
  if (!with_context) return;
  app.add_option("--ctx", context, "Context in tokens (default: what fits, at most 4096)")
      ->check(CLI::Range(1, 1 << 27));
  app.add_option("--kv", kv, "Type of the KV cache (default: f16; f32 for f32 models)")
      ->check(CLI::IsMember({"f32", "f16", "q8_0"}));
}

CpuFeatures RuntimeOptions::features() const {
  const CpuFeatures detected = detect_cpu_features();
  return isa.empty() ? detected : mask_to_isa(detected, isa);
}

std::optional<Compute> RuntimeOptions::compute() const {
  if (activations.empty()) return std::nullopt;
  if (activations == "bf16") return Compute::bf16;
  return activations == "f32" ? Compute::f32 : Compute::int8;
}

LoadOptions RuntimeOptions::load_options() const {
  LoadOptions options;
  options.features = features();
  options.compute = compute();
  options.progress = progress_bar();
  return options;
}

SessionOptions RuntimeOptions::session_options() const {
  SessionOptions options;
  options.context = context;
  if (!kv.empty()) options.kv = find_dtype(kv)->dtype;
  return options;
}

void SamplingFlags::declare(CLI::App& app) {
  SamplingOptions& sampling = generate.sampling;
  app.add_option("-n,--max-tokens", generate.max_tokens, "Generate at most this many tokens")
      ->capture_default_str();
  app.add_option("--temp", sampling.temperature, "Temperature; 0 always takes the likeliest token")
      ->check(CLI::Range(0.0, 100.0))
      ->capture_default_str();
  app.add_option("--top-k", sampling.top_k, "Draw from the K likeliest tokens; 0: all")
      ->capture_default_str();
  app.add_option("--top-p", sampling.top_p,
                 "Draw from the likeliest tokens that together reach P; 1: all")
      ->check(CLI::Range(0.0, 1.0))
      ->capture_default_str();
  app.add_option("--min-p", sampling.min_p,
                 "Leave out tokens less likely than P times the likeliest; 0: none")
      ->check(CLI::Range(0.0, 1.0))
      ->capture_default_str();
  app.add_option("--repeat-penalty", sampling.repeat_penalty,
                 "Make recent tokens less likely; 1: off")
      ->check(CLI::Range(0.01, 100.0))
      ->capture_default_str();
  app.add_option("--seed", sampling.seed, "Seed of the draw: same seed, same text")
      ->capture_default_str();
  app.add_option("--stop", generate.stop, "End before this text (may be given several times)");
  app.add_flag(
      "--lookup", generate.lookup,
      "Read ahead what the text so far suggests: faster where it repeats itself, same text");
}

LoadedModel load_model(const std::string& path, const RuntimeOptions& options) {
  LoadedModel loaded;
  loaded.pool = std::make_unique<ThreadPool>(options.threads);
  const auto start = std::chrono::steady_clock::now();
  loaded.model = Model::open(path, *loaded.pool, options.load_options());
  loaded.load_seconds =
      std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
  return loaded;
}

}  // namespace halfbyte
