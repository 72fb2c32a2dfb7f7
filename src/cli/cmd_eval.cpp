// halfbyte eval: perplexity of a text, and the distance from a reference model.
#include <algorithm>

#include <CLI/CLI.hpp>
#include <fmt/format.h>

#include "base/error.h"
#include "base/mapped_file.h"
#include "cli/app.h"
#include "cli/options.h"
#include "cli/terminal.h"
#include "eval/perplexity.h"

namespace halfbyte {

namespace {

struct EvalFlags {
  std::string model;
  std::string text;
  std::string against;
  std::string convention = "llamacpp";
  std::uint64_t context = 0;
  std::uint64_t chunks = 0;
  RuntimeOptions runtime;
  std::string against_activations;
  std::string kv;
};

Json to_json(const EvalFlags& flags, const EvalResult& result, const ModelFiles& files,
             std::uint64_t context) {
  Json body;
  body["perplexity"] = result.perplexity;
  body["perplexity_stderr"] = result.perplexity_stderr;
  body["tokens"] = result.tokens;
  body["ctx"] = context;
  body["chunks"] = result.chunks;
  body["chunk_perplexity"] = result.chunk_perplexity;
  body["convention"] = flags.convention;
  body["bits_per_weight"] =
      static_cast<double>(files.weight_bytes()) * 8.0 / static_cast<double>(files.parameters());
  body["model_bytes"] = files.checkpoint().bytes();
  body["seconds"] = result.seconds;
  if (result.divergence) {
    body["kld_mean"] = result.divergence->mean;
    body["kld_median"] = result.divergence->median;
    body["kld_p99"] = result.divergence->p99;
    body["top1_agreement"] = result.divergence->top1_agreement;
    body["ref_perplexity"] = result.divergence->ref_perplexity;
  }
  return body;
}

void print_table(const EvalResult& result, const ModelFiles& files) {
  print_line(fmt::format("perplexity       {:.4f} +- {:.4f}  ({} tokens in {} chunks, {:.1f} s)",
                         result.perplexity, result.perplexity_stderr, result.tokens, result.chunks,
                         result.seconds));
  print_line(fmt::format(
      "size             {}, {:.2f} bits per weight", human_bytes(files.checkpoint().bytes()),
      static_cast<double>(files.weight_bytes()) * 8.0 / static_cast<double>(files.parameters())));
  if (!result.divergence) return;
  const Divergence& d = *result.divergence;
  print_line(fmt::format("reference        perplexity {:.4f}", d.ref_perplexity));
  print_line(fmt::format("KL divergence    mean {:.5f}, median {:.5f}, 99 % below {:.5f} nats",
                         d.mean, d.median, d.p99));
  print_line(fmt::format("same top token   {:.2f} %", d.top1_agreement * 100));
}

// The reference is not rounded more than its weights are: float ones meet inputs in f32.
RuntimeOptions reference_options(const EvalFlags& flags) {
  RuntimeOptions runtime = flags.runtime;
  if (!flags.against_activations.empty()) {
    runtime.activations = flags.against_activations;
  } else if (runtime.activations.empty()) {
    const ModelFiles files(flags.against);
    const bool floats = std::none_of(files.tensors().begin(), files.tensors().end(),
                                     [](const ModelTensor& t) { return is_quantized(t.dtype); });
    if (floats) runtime.activations = "f32";
  }
  return runtime;
}

void run(const EvalFlags& flags) {
  const std::string text = read_text_file(flags.text, std::uint64_t{1} << 32);
  const LoadedModel loaded = load_model(flags.model, flags.runtime);
  std::unique_ptr<Model> reference;
  if (!flags.against.empty()) {
    reference = Model::open(flags.against, *loaded.pool, reference_options(flags).load_options());
  }
  const Tokenizer tokenizer = need_tokenizer(*loaded.model);
  EvalOptions options;
  options.convention = flags.convention == "gptq" ? Convention::gptq : Convention::llamacpp;
  options.context = flags.context;
  if (options.context == 0) options.context = options.convention == Convention::gptq ? 2048 : 512;
  options.chunks = flags.chunks;
  options.progress = progress_bar();
  if (!flags.kv.empty()) options.kv = find_dtype(flags.kv)->dtype;
  // "<unk>" in a text to score is text.
  const std::vector<TokenId> tokens = tokenizer.encode(text, {.parse_special = false});
  const EvalResult result = evaluate(*loaded.model, reference.get(), tokenizer, tokens, options);
  if (flags.runtime.json) {
    print_json(to_json(flags, result, loaded.model->files(), options.context));
  } else {
    print_table(result, loaded.model->files());
  }
}

}  // namespace

std::function<void()> setup_eval(CLI::App& app) {
  auto flags = std::make_shared<EvalFlags>();
  app.add_option("MODEL", flags->model, "A folder, a .gguf file or a bundle")->required();
  app.add_option("--text", flags->text, "A text file to score")->required();
  app.add_option("--ctx", flags->context, "Tokens a chunk (default: 512; 2048 for gptq)")
      ->check(CLI::Range(4, 1 << 24));
  app.add_option("--chunks", flags->chunks, "Score only the first N chunks");
  app.add_option("--against", flags->against,
                 "A reference model: reports KL divergence and top-1 agreement");
  app.add_option(
         "--against-activations", flags->against_activations,
         "The same as --activations for the reference model (default: as --activations, or f32 "
         "where that is not given and the reference has float weights)")
      ->check(CLI::IsMember({"int8", "bf16", "f32"}));
  app.add_option("--convention", flags->convention,
                 "llamacpp: second halves of chunks; gptq: whole windows")
      ->check(CLI::IsMember({"llamacpp", "gptq"}))
      ->capture_default_str();
  app.add_option("--kv", flags->kv, "Type of the KV cache")
      ->check(CLI::IsMember({"f32", "f16", "q8_0"}));
  flags->runtime.declare(app, false);
  return [flags] { run(*flags); };
}

}  // namespace halfbyte
