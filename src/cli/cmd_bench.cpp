// halfbyte bench: how fast a model reads a prompt and writes text.
#include <algorithm>
#include <chrono>

#include <CLI/CLI.hpp>
#include <fmt/format.h>

#include "base/error.h"
#include "cli/app.h"
#include "cli/options.h"
#include "cli/terminal.h"

namespace halfbyte {

namespace {

using Clock = std::chrono::steady_clock;

struct BenchOptions {
  std::string model;
  std::uint64_t prompt = 512;
  std::uint64_t generate = 128;
  std::uint64_t repetitions = 5;
  std::uint64_t depth = 0;
  std::uint64_t batch = 1;
  RuntimeOptions runtime;
};

double seconds_since(Clock::time_point start) {
  return std::chrono::duration<double>(Clock::now() - start).count();
}

// Any tokens will do; the same ones each time.
std::vector<TokenId> some_tokens(std::uint64_t count, std::uint64_t vocab) {
  std::vector<TokenId> tokens;
  std::uint64_t state = 1;
  for (std::uint64_t i = 0; i < count; ++i) {
    state = state * 6364136223846793005u + 1442695040888963407u;
    tokens.push_back(static_cast<TokenId>((state >> 33) % vocab));
  }
  return tokens;
}

double median(std::vector<double> values) {
  std::sort(values.begin(), values.end());
  const std::size_t half = values.size() / 2;
  return values.size() % 2 == 1 ? values[half] : (values[half - 1] + values[half]) / 2;
}

// Weights that one token meets: what decode reads and what a prefill row multiplies by (without the
// head, which only the last row meets).
struct Work {
  double matrix_parameters = 0.0;
  double head_parameters = 0.0;
  double bytes = 0.0;
};

Work work_of(const Model& model) {
  Work work;
  const Plan& plan = model.plan();
  for (std::size_t i = 0; i < plan.weights.size(); ++i) {
    const WeightRef& ref = plan.weights[i];
    const bool head = plan.head == static_cast<int>(i);
    if (ref.kind != WeightKind::matrix && !head) continue;
    const Weight& weight = model.weights()[static_cast<int>(i)];
    const auto elements = static_cast<double>(ref.n) * static_cast<double>(ref.k);
    (head ? work.head_parameters : work.matrix_parameters) += elements;
    work.bytes += static_cast<double>(weight.matrix.panels() * weight.matrix.panel_bytes());
  }
  return work;
}

constexpr std::uint64_t kReadRows = 128;  // of a batch, to reach the depth

class Bench {
 public:
  Bench(const BenchOptions& options, const Model& model)
      : options_(options),
        model_(model),
        work_(work_of(model)),
        session_(model, session_options()) {}

  // Tokens a second of reading a prompt after `depth` tokens.
  double prefill() {
    start_at_depth();
    const auto tokens = some_tokens(options_.prompt, model_.spec().vocab);
    std::vector<float> logits(model_.spec().vocab);
    const auto start = Clock::now();
    session_.append(tokens, 1, logits.data());
    return static_cast<double>(options_.prompt) / seconds_since(start);
  }

  double decode() {
    start_at_depth();
    const auto tokens = some_tokens(options_.generate + 1, model_.spec().vocab);
    std::vector<float> logits(model_.spec().vocab);
    if (options_.depth == 0) session_.append({tokens.data(), 1}, 1, logits.data());
    const auto start = Clock::now();
    for (std::uint64_t i = 0; i < options_.generate; ++i) {
      check_interrupt();
      session_.append({&tokens[i + 1], 1}, 1, logits.data());
    }
    return static_cast<double>(options_.generate) / seconds_since(start);
  }

  // Tokens a second of `batch` sequences that decode together, all of them counted.
  double decode_batch() {
    const std::uint64_t vocab = model_.spec().vocab;
    Batch batch(model_, std::max<std::uint64_t>(options_.batch, kReadRows), session_.context());
    std::vector<Sequence> sequences;
    std::vector<Turn> turns(options_.batch);
    const std::vector<TokenId> start =
        some_tokens(std::max<std::uint64_t>(1, options_.depth), vocab);
    for (std::uint64_t i = 0; i < options_.batch; ++i) {
      const RuntimeOptions& runtime = options_.runtime;
      sequences.emplace_back(model_, session_.context(), runtime.session_options().kv);
      batch.append(sequences.back(), start, 0, nullptr);
    }
    const auto tokens = some_tokens(options_.generate * options_.batch, vocab);
    std::vector<float> logits(options_.batch * vocab);
    const auto begin = Clock::now();
    for (std::uint64_t step = 0; step < options_.generate; ++step) {
      check_interrupt();
      for (std::uint64_t i = 0; i < options_.batch; ++i)
        turns[i] = {&sequences[i], {&tokens[step * options_.batch + i], 1}};
      batch.decode(turns, logits.data());
    }
    return static_cast<double>(options_.generate * options_.batch) / seconds_since(begin);
  }

  double first_token() {
    session_.rewind(0);
    const auto tokens = some_tokens(1, model_.spec().vocab);
    std::vector<float> logits(model_.spec().vocab);
    const auto start = Clock::now();
    session_.append(tokens, 1, logits.data());
    return seconds_since(start);
  }

  Json prefill_json(const std::vector<double>& rates) const {
    const double rate = median(rates);
    const double flops = 2.0 * (work_.matrix_parameters +
                                work_.head_parameters / static_cast<double>(options_.prompt));
    return summary(options_.prompt, rates, flops * rate / 1e9,
                   work_.bytes * rate / static_cast<double>(options_.prompt) / 1e9);
  }
  Json decode_json(const std::vector<double>& rates) const {
    const double rate = median(rates);
    return summary(options_.generate, rates,
                   2.0 * (work_.matrix_parameters + work_.head_parameters) * rate / 1e9,
                   work_.bytes * rate / static_cast<double>(options_.batch) / 1e9);
  }
  const Session& session() const { return session_; }

 private:
  SessionOptions session_options() const {
    SessionOptions session = options_.runtime.session_options();
    if (session.context == 0)
      session.context = options_.depth + std::max(options_.prompt, options_.generate + 1);
    return session;
  }
  void start_at_depth() {
    if (options_.depth == 0) {
      session_.rewind(0);
    } else if (session_.position() < options_.depth) {
      session_.append(some_tokens(options_.depth - session_.position(), model_.spec().vocab), 0,
                      nullptr);
    } else {
      session_.rewind(options_.depth);
    }
  }
  static Json summary(std::uint64_t tokens, const std::vector<double>& rates, double gflops,
                      double gbps) {
    // fraction_of_limit needs measured peaks of the machine, which this version does not take.
    return {{"tokens", tokens}, {"tok_s", rates},      {"tok_s_median", median(rates)},
            {"gflops", gflops}, {"weight_gbps", gbps}, {"fraction_of_limit", nullptr}};
  }

  const BenchOptions& options_;
  const Model& model_;
  Work work_;
  Session session_;
};

void print_table(const Json& body) {
  for (const char* phase : {"prefill", "decode"}) {
    if (!body.contains(phase)) continue;
    const Json& row = body[phase];
    print_line(
        fmt::format("{:8} {:5} tokens  {:9.1f} tok/s  {:8.1f} GFLOP/s  {:6.1f} GB/s of weights",
                    phase, row["tokens"].get<std::uint64_t>(), row["tok_s_median"].get<double>(),
                    row["gflops"].get<double>(), row["weight_gbps"].get<double>()));
  }
  print_line(fmt::format("load {:.3f} s, first token {:.3f} s, {} threads, {}",
                         body["load_s"].get<double>(), body["first_token_s"].get<double>(),
                         body["threads"].get<std::uint64_t>(), body["isa"].get<std::string>()));
  const auto bytes = [&](const char* key) { return human_bytes(body[key].get<std::uint64_t>()); };
  print_line(fmt::format("memory: peak {}; planned: packed weights {}, KV cache {}, workspace {}",
                         bytes("peak_rss_bytes"), bytes("packed_bytes"), bytes("kv_bytes"),
                         bytes("workspace_bytes")));
}

void run(const BenchOptions& options) {
  if (options.prompt == 0 && options.generate == 0) fail_usage("-p and -n are both 0");
  const LoadedModel loaded = load_model(options.model, options.runtime);
  if (!loaded.model->spec().decoder || loaded.model->spec().encoder)
    fail_unsupported(options.model, "bench measures decoder-only models");
  Bench bench(options, *loaded.model);
  const double first_token = bench.first_token();
  std::vector<double> prefill;
  std::vector<double> decode;
  for (std::uint64_t i = 0; i < options.repetitions; ++i) {
    if (options.prompt > 0) prefill.push_back(bench.prefill());
    if (options.generate > 0)
      decode.push_back(options.batch > 1 ? bench.decode_batch() : bench.decode());
  }
  Json body;
  if (options.prompt > 0) body["prefill"] = bench.prefill_json(prefill);
  if (options.generate > 0) body["decode"] = bench.decode_json(decode);
  body["load_s"] = loaded.load_seconds;
  body["first_token_s"] = first_token;
  body["peak_rss_bytes"] = peak_rss_bytes();
  body["threads"] = loaded.pool->size();
  body["isa"] = select_rows(options.runtime.features()).isa;
  body["model_bytes"] = loaded.model->file_bytes();
  body["kv_bytes"] = bench.session().kv_bytes();
  body["packed_bytes"] = loaded.model->weights().own_bytes();
  body["workspace_bytes"] = bench.session().workspace_bytes();
  body["depth"] = options.depth;
  body["batch"] = options.batch;
  options.runtime.json ? print_json(body) : print_table(body);
}

}  // namespace

std::function<void()> setup_bench(CLI::App& app) {
  auto options = std::make_shared<BenchOptions>();
  app.add_option("MODEL", options->model, "A folder, a .gguf file or a bundle")->required();
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
  options->runtime.declare(app);
  return [options] { run(*options); };
}

}  // namespace halfbyte
