#include "cli/report_measure.h"

#include <algorithm>
#include <utility>

#include "cli/bench_model.h"
#include "cli/prompt.h"
#include "cli/terminal.h"
#include "eval/perplexity.h"
#include "runtime/generate.h"

namespace halfbyte {

namespace {

constexpr std::uint64_t kAnswerTokens = 40;

// Kept short: a report is to cost a minute, not an hour.
struct Measure {
  const char* name;
  Convention convention;
  std::uint64_t context;
  std::uint64_t chunks;
};
constexpr Measure kMeasures[] = {{"llamacpp", Convention::llamacpp, 512, 8},
                                 {"gptq", Convention::gptq, 2048, 2}};

std::uint64_t room_of(const ModelSpec& spec) {
  return spec.learned_positions != 0 ? spec.learned_positions : spec.context_length;
}

bool writes(const Model& model) {
  return model.spec().decoder && !model.spec().encoder && model.spec().has_head;
}

std::optional<EvalResult> score(const Measure& measure, const Model& model, const Model* reference,
                                const MeasureInputs& inputs) {
  EvalOptions options;
  options.convention = measure.convention;
  options.context = std::min(measure.context, room_of(model.spec()));
  options.chunks = measure.chunks;
  options.progress = progress_bar();
  if (inputs.tokens.size() < options.context || options.context < 4) return std::nullopt;
  return evaluate(model, reference, *inputs.tokenizer, inputs.tokens, options);
}

Json to_json(const Divergence& divergence) {
  return {{"mean", divergence.mean},
          {"median", divergence.median},
          {"p99", divergence.p99},
          {"top1_agreement", divergence.top1_agreement}};
}

void add_scores(const Model& model, const MeasureInputs& inputs, Json& body) {
  for (const Measure& measure : kMeasures) {
    // One measure of the distance is enough; the source has none from itself.
    const bool compares = &measure == std::begin(kMeasures) && &model != &inputs.source;
    const auto result = score(measure, model, compares ? &inputs.source : nullptr, inputs);
    if (!result) continue;
    body["perplexity"].push_back({{"convention", measure.name},
                                  {"ctx", std::min(measure.context, room_of(model.spec()))},
                                  {"chunks", result->chunks},
                                  {"tokens", result->tokens},
                                  {"value", result->perplexity},
                                  {"stderr", result->perplexity_stderr}});
    if (result->divergence) body["divergence"] = to_json(*result->divergence);
  }
}

void add_speed(const Model& model, Json& body) {
  BenchOptions options;
  options.prompt = std::min<std::uint64_t>(128, room_of(model.spec()) / 2);
  options.generate = std::min<std::uint64_t>(32, room_of(model.spec()) / 2);
  options.repetitions = 3;
  if (options.prompt == 0) return;
  Bench bench(options, model, options.longest());
  bench.first_token();
  const Rates rates = bench.measure(0);
  body["prefill_tok_s"] = median(rates.prefill);
  body["decode_tok_s"] = median(rates.decode);
}

std::string answer(const Model& model, const Tokenizer& tokenizer, const std::string& prompt) {
  const std::vector<TokenId> tokens =
      prompt_tokens(model, tokenizer, prompt, "", false, model.files().checkpoint().path());
  SessionOptions session_options;
  session_options.context = tokens.size() + kAnswerTokens;
  if (session_options.context > room_of(model.spec())) return "";
  Session session(model, session_options);
  GenerateOptions options;
  options.max_tokens = kAnswerTokens;
  options.sampling.temperature = 0.0f;
  const TextSink sink = [](std::string_view) { return !was_interrupted(); };
  Generation generation = generate(session, tokenizer, tokens, options, sink);
  check_interrupt();
  return std::move(generation.text);
}

}  // namespace

const std::vector<std::string>& report_prompts() {
  static const std::vector<std::string> prompts = {
      "What is the capital of France?", "Explain in two sentences why the sky is blue.",
      "List three uses of a paper clip.", "Write a Python function that reverses a string."};
  return prompts;
}

Json measure(const Variant& variant, const Model& model, const MeasureInputs& inputs) {
  const ModelFiles& files = model.files();
  Json body = {{"role", variant.role},
               {"label", variant.label},
               {"bytes", files.checkpoint().bytes()},
               {"bits_per_weight", static_cast<double>(files.weight_bytes()) * 8.0 /
                                       static_cast<double>(files.parameters())},
               {"prefill_tok_s", nullptr},
               {"decode_tok_s", nullptr},
               {"divergence", nullptr},
               {"perplexity", Json::array()},
               {"texts", Json::array()}};
  if (!writes(model)) return body;
  add_speed(model, body);
  if (inputs.tokenizer == nullptr) return body;
  add_scores(model, inputs, body);
  for (const std::string& prompt : report_prompts()) {
    body["texts"].push_back(answer(model, *inputs.tokenizer, prompt));
  }
  return body;
}

}  // namespace halfbyte
