// halfbyte bench: how fast a model reads a prompt and writes text, and what the machine allows.
#include <algorithm>

#include <CLI/CLI.hpp>
#include <fmt/format.h>

#include "base/error.h"
#include "cli/app.h"
#include "cli/bench_machine.h"
#include "cli/bench_model.h"
#include "cli/bench_plot.h"
#include "cli/terminal.h"

namespace halfbyte {

namespace {

constexpr std::uint64_t kPlotContext = 4096;  // depths go up to here without --ctx

std::string limit_text(const Json& row) {
  if (row["fraction_of_limit"].is_null()) return "";
  return fmt::format("  {:3.0f} % of limit ({})", row["fraction_of_limit"].get<double>() * 100,
                     row["limited_by"].get<std::string>());
}

void print_ops(const Json& ops) {
  std::string phase;
  for (const Json& row : ops) {
    if (row["phase"].get<std::string>() != phase) {
      phase = row["phase"].get<std::string>();
      print_line(
          fmt::format("\n{:<26} {:>8} {:>8} {:>11} {:>8}", phase, "class", "calls", "ms", "share"));
    }
    print_line(fmt::format("  {:<24} {:>8} {:8} {:11.2f} {:6.1f} %", row["op"].get<std::string>(),
                           row["class"].get<std::string>(), row["calls"].get<std::uint64_t>(),
                           row["ms"].get<double>(), row["share"].get<double>() * 100));
  }
}

void print_depths(const Json& depths) {
  print_line(fmt::format("\n{:>8} {:>16} {:>16}", "depth", "prefill tok/s", "decode tok/s"));
  for (const Json& row : depths) {
    std::string line = fmt::format("{:8}", row["depth"].get<std::uint64_t>());
    for (const char* phase : {"prefill", "decode"}) {
      line += row.contains(phase)
                  ? fmt::format(" {:16.1f}", row[phase]["tok_s_median"].get<double>())
                  : fmt::format(" {:>16}", "-");
    }
    print_line(line);
  }
}

void print_table(const Json& body) {
  for (const char* phase : {"prefill", "decode"}) {
    if (!body.contains(phase)) continue;
    const Json& row = body[phase];
    print_line(fmt::format(
        "{:8} {:5} tokens  {:9.1f} tok/s  {:8.1f} GFLOP/s  {:6.1f} GB/s of weights{}", phase,
        row["tokens"].get<std::uint64_t>(), row["tok_s_median"].get<double>(),
        row["gflops"].get<double>(), row["weight_gbps"].get<double>(), limit_text(row)));
  }
  print_line(fmt::format("load {:.3f} s, first token {:.3f} s, {} threads, {}",
                         body["load_s"].get<double>(), body["first_token_s"].get<double>(),
                         body["threads"].get<std::uint64_t>(), body["isa"].get<std::string>()));
  const auto bytes = [&](const char* key) { return human_bytes(body[key].get<std::uint64_t>()); };
  print_line(fmt::format("memory: peak {}; planned: packed weights {}, KV cache {}, workspace {}",
                         bytes("peak_rss_bytes"), bytes("packed_bytes"), bytes("kv_bytes"),
                         bytes("workspace_bytes")));
  if (body.contains("ops")) print_ops(body["ops"]);
  if (body.contains("depths")) print_depths(body["depths"]);
}

// The last depth of a plot: what --ctx, else 4096 and the model, have room for.
std::uint64_t last_depth(const BenchOptions& options, const ModelSpec& spec) {
  const std::uint64_t room = options.longest();
  if (options.runtime.context != 0) {
    return options.runtime.context > room ? options.runtime.context - room : 0;
  }
  const std::uint64_t most =
      spec.learned_positions != 0 ? spec.learned_positions : spec.context_length;
  return std::min(kPlotContext, most > room ? most - room : 0);
}

std::uint64_t context_of(const BenchOptions& options, std::uint64_t deepest) {
  return options.runtime.context != 0 ? options.runtime.context : deepest + options.longest();
}

void measure(const BenchOptions& options, const LoadedModel& loaded, Json& body) {
  const std::vector<std::uint64_t> depths =
      options.plot.empty() ? std::vector<std::uint64_t>{}
                           : plot_depths(last_depth(options, loaded.model->spec()));
  const std::uint64_t deepest =
      depths.empty() ? options.depth : std::max(options.depth, depths.back());
  Bench bench(options, *loaded.model, context_of(options, deepest));
  Profile profile;
  body["first_token_s"] = bench.first_token();
  if (options.ops) bench.set_profile(&profile);
  const Rates rates = bench.measure(options.depth);
  bench.set_profile(nullptr);
  // Before the peaks are measured, which takes memory of its own.
  body["peak_rss_bytes"] = peak_rss_bytes();
  const Limits limits = measure_limits(bench.session(), options.depth, options.batch);
  body["limits"] = limits_json(limits);
  if (options.prompt > 0)
    body["prefill"] = bench.prefill_json(rates.prefill, options.depth, limits);
  if (options.generate > 0) body["decode"] = bench.decode_json(rates.decode, options.depth, limits);
  body["kv_bytes"] = bench.session().kv_bytes();
  body["workspace_bytes"] = bench.session().workspace_bytes();
  if (options.ops) body["ops"] = ops_json(profile);
  if (depths.empty()) return;
  body["depths"] = measure_depths(bench, options, limits, depths);
  write_plot(options, body["depths"], body);
}

void run_model(const BenchOptions& options) {
  if (options.model.empty()) fail_usage("MODEL is required, but for --machine");
  if (options.prompt == 0 && options.generate == 0) fail_usage("-p and -n are both 0");
  const LoadedModel loaded = load_model(options.model, options.runtime);
  if (!loaded.model->spec().decoder || loaded.model->spec().encoder)
    fail_unsupported(options.model, "bench measures decoder-only models");
  Json body;
  body["load_s"] = loaded.load_seconds;
  body["threads"] = loaded.pool->size();
  body["isa"] = select_rows(options.runtime.features()).isa;
  body["model_bytes"] = loaded.model->file_bytes();
  body["packed_bytes"] = loaded.model->weights().own_bytes();
  body["depth"] = options.depth;
  body["batch"] = options.batch;
  measure(options, loaded, body);
  options.runtime.json ? print_json(body) : print_table(body);
}

void run(const BenchOptions& options) {
  if (!options.machine) return run_model(options);
  if (!options.model.empty()) fail_usage("--machine measures without a MODEL");
  const Json body = measure_machine(options.runtime);
  options.runtime.json ? print_json(body) : print_machine(body);
}

}  // namespace

std::function<void()> setup_bench(CLI::App& app) {
  auto options = std::make_shared<BenchOptions>();
  app.add_option("MODEL", options->model, "A folder, a .gguf file or a bundle");
  app.add_option("-p,--prompt", options->prompt, "Tokens to read")
      ->check(CLI::Range(0, 1 << 26))
      ->capture_default_str();
  app.add_option("-n,--generate", options->generate, "Tokens to write")
      ->check(CLI::Range(0, 1 << 26))
      ->capture_default_str();
  app.add_option("-r,--repetitions", options->repetitions, "Repetitions")
      ->check(CLI::Range(1, 1000))
      ->capture_default_str();
  app.add_option("-d,--depth", options->depth, "Tokens already in the context")
      ->check(CLI::Range(0, 1 << 26))
      ->capture_default_str();
  app.add_option("--batch", options->batch, "Sequences that decode together")
      ->check(CLI::Range(1, 1024))
      ->capture_default_str();
  app.add_flag("--ops", options->ops, "Also where the time goes, by kind of step");
  app.add_option(
      "--plot", options->plot,
      "Also measure at depths 0, 512, 1024, ... up to --ctx or 4096, and draw them as SVG");
  app.add_flag("--machine", options->machine,
               "Measure the machine instead of a model: multiply-adds and reading, at most");
  options->runtime.declare(app);
  return [options] { run(*options); };
}

}  // namespace halfbyte
