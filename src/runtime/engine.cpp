// The public Engine over the rooms: one model, one tokenizer, one session.
#include <halfbyte/engine.h>

#include "base/error.h"
#include "runtime/chat_prompt.h"
#include "runtime/generate.h"
#include "tokenizer/chat_template.h"

namespace halfbyte {

namespace {

LoadOptions load_options(const EngineOptions& options) {
  LoadOptions load;
  if (!options.isa.empty()) load.features = mask_to_isa(load.features, options.isa);
  return load;
}

SessionOptions session_options(const EngineOptions& options) {
  SessionOptions session;
  session.context = options.context;
  return session;
}

GenerateOptions generate_options(const TextOptions& options) {
  GenerateOptions generate;
  generate.max_tokens = options.max_tokens;
  generate.stop = options.stop;
  generate.sampling.temperature = options.temperature;
  generate.sampling.top_k = options.top_k;
  generate.sampling.top_p = options.top_p;
  generate.sampling.min_p = options.min_p;
  generate.sampling.repeat_penalty = options.repeat_penalty;
  generate.sampling.seed = options.seed;
  return generate;
}

}  // namespace

struct Engine::State {
  State(const std::string& path, const EngineOptions& options)
      : pool(options.threads),
        model(ModelFiles(path), pool, load_options(options)),
        tokenizer(need_tokenizer(model)),
        session(model, session_options(options)) {}

  std::string answer(const std::vector<TokenId>& prompt, const TextOptions& options,
                     const Sink& sink) {
    session.rewind(0);
    return generate(session, tokenizer, prompt, generate_options(options), sink).text;
  }

  ThreadPool pool;
  Model model;
  Tokenizer tokenizer;
  Session session;
};

Engine::Engine(const std::string& model, const EngineOptions& options)
    : state_(std::make_unique<State>(model, options)) {}
Engine::~Engine() = default;
Engine::Engine(Engine&&) noexcept = default;
Engine& Engine::operator=(Engine&&) noexcept = default;

std::string Engine::complete(const std::string& text, const TextOptions& options,
                             const Sink& sink) {
  return state_->answer(state_->tokenizer.encode(text, {.add_special = true}), options, sink);
}

std::string Engine::reply(const std::vector<Message>& conversation, const TextOptions& options,
                          const Sink& sink) {
  const Tokenizer& tokenizer = state_->tokenizer;
  if (tokenizer.chat_template().empty()) {
    fail_usage("the model has no chat template: it is a base model that continues text");
  }
  Json messages = Json::array();
  for (const auto& [role, content] : conversation)
    messages.push_back({{"role", role}, {"content", content}});
  const ChatTemplate chat(tokenizer.chat_template());
  const std::string text = chat.render(template_variables(tokenizer, messages, nullptr, true));
  return state_->answer(tokenizer.encode(text), options, sink);
}

std::vector<std::int32_t> Engine::tokenize(std::string_view text) const {
  return state_->tokenizer.encode(text);
}

std::string Engine::detokenize(const std::vector<std::int32_t>& ids) const {
  return state_->tokenizer.decode(ids);
}

std::uint64_t Engine::context() const {
  return state_->session.context();
}

}  // namespace halfbyte
