// halfbyte run: one prompt, one answer.
#include <CLI/CLI.hpp>
#include <fmt/format.h>

#include "base/error.h"
#include "cli/app.h"
#include "cli/options.h"
#include "cli/prompt.h"
#include "cli/terminal.h"

namespace halfbyte {

namespace {

struct RunOptions {
  std::string model;
  std::string prompt;
  std::string system;
  bool raw = false;
  RuntimeOptions runtime;
  SamplingFlags sampling;
};

double rate(std::uint64_t count, double seconds) {
  return seconds > 0 ? static_cast<double>(count) / seconds : 0.0;
}

void print_result(const Generation& result, bool lookup, double load_seconds) {
  Json body;
  body["text"] = result.text;
  body["tokens"] = result.tokens;
  body["prompt_tokens"] = result.prompt_tokens;
  body["finish_reason"] = result.finish == FinishReason::stop ? "stop" : "length";
  body["prefill_tok_s"] = rate(result.prompt_tokens, result.prefill_seconds);
  body["decode_tok_s"] = rate(result.decoded, result.decode_seconds);
  if (lookup) body["lookup"] = {{"drafted", result.drafted}, {"accepted", result.accepted}};
  body["load_s"] = load_seconds;
  body["peak_rss_bytes"] = peak_rss_bytes();
  print_json(body);
}

void run(RunOptions options) {
  if (options.prompt.empty() && is_terminal_in())
    fail_usage("give a prompt, as an argument or on standard input");
  const std::string prompt = options.prompt.empty() ? read_stdin() : options.prompt;
  const LoadedModel loaded = load_model(options.model, options.runtime);
  if (!loaded.model->spec().decoder) {
    fail_usage(fmt::format("{} is an encoder and does not generate text; use 'halfbyte logits'",
                           options.model));
  }
  const Tokenizer tokenizer = need_tokenizer(*loaded.model);
  const std::vector<TokenId> tokens =
      prompt_tokens(*loaded.model, tokenizer, prompt, options.system, options.raw, options.model);
  Session session(*loaded.model, options.runtime.session_options());
  const bool json = options.runtime.json;
  const TextSink sink = [json](std::string_view piece) {
    if (!json) {
      print(piece);
      flush_output();
    }
    return !was_interrupted();
  };
  const Generation result = generate(session, tokenizer, tokens, options.sampling.generate, sink);
  if (json) {
    check_interrupt();
    print_result(result, options.sampling.generate.lookup, loaded.load_seconds);
    return;
  }
  print("\n");
  check_interrupt();
  if (is_terminal_out()) {
    print_error(fmt::format("[{} prompt tokens at {:.0f}/s, {} generated at {:.0f}/s]",
                            result.prompt_tokens,
                            rate(result.prompt_tokens, result.prefill_seconds),
                            result.tokens.size(), rate(result.decoded, result.decode_seconds)));
  }
}

}  // namespace

std::function<void()> setup_run(CLI::App& app) {
  auto options = std::make_shared<RunOptions>();
  app.add_option("MODEL", options->model, "A folder, a .gguf file or a bundle")->required();
  app.add_option("PROMPT", options->prompt, "The prompt (default: standard input)");
  app.add_option("--system", options->system, "System text for the chat template");
  app.add_flag("--raw", options->raw, "Continue the text as it stands, without the chat template");
  options->sampling.declare(app);
  options->runtime.declare(app);
  return [options] { run(*options); };
}

}  // namespace halfbyte
