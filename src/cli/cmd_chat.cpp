// halfbyte chat: a conversation. What has been read stays in the cache; only the new part of the
// rendered conversation is read each turn.
#include <algorithm>

#include <CLI/CLI.hpp>
#include <fmt/format.h>

#include "base/error.h"
#include "cli/app.h"
#include "cli/options.h"
#include "cli/terminal.h"
#include "runtime/chat_prompt.h"

namespace halfbyte {

namespace {

struct ChatOptions {
  std::string model;
  std::string system;
  RuntimeOptions runtime;
  SamplingFlags sampling;
};

class Chat {
 public:
  Chat(const Model& model, Tokenizer tokenizer, const ChatOptions& options)
      : tokenizer_(std::move(tokenizer)),
        template_(tokenizer_.chat_template(), options.model),
        session_(model, options.runtime.session_options()),
        options_(options) {
    if (!options.system.empty()) add("system", options.system);
  }

  void turn(const std::string& text) {
    add("user", text);
    std::vector<TokenId> tokens = render();
    if (tokens.empty()) fail_usage("the chat template renders nothing for this conversation");
    const auto common =
        std::mismatch(tokens.begin(), tokens.end(), read_.begin(), read_.end()).first -
        tokens.begin();
    // The last token is read again, for its logits.
    const auto keep =
        std::min<std::ptrdiff_t>(common, static_cast<std::ptrdiff_t>(tokens.size()) - 1);
    session_.rewind(static_cast<std::uint64_t>(keep));
    // What follows is gone from the cache even if this turn fails.
    read_.resize(std::min(read_.size(), static_cast<std::size_t>(keep)));
    const TextSink sink = [](std::string_view piece) {
      print(piece);
      flush_output();
      return !was_interrupted();
    };
    const std::span<const TokenId> fresh =
        std::span(tokens).subspan(static_cast<std::size_t>(keep));
    GenerateOptions generate_options = options_.sampling.generate;
    generate_options.earlier = std::span(tokens).first(static_cast<std::size_t>(keep));
    const Generation result = generate(session_, tokenizer_, fresh, generate_options, sink);
    print("\n");
    clear_interrupt();  // it ended the reply, not the conversation
    add("assistant", result.text);
    tokens.insert(tokens.end(), result.tokens.begin(), result.tokens.end());
    tokens.resize(std::min<std::size_t>(tokens.size(), session_.position()));
    read_ = std::move(tokens);
  }

  void forget_last() { messages_.erase(messages_.size() - 1); }

 private:
  void add(const char* role, const std::string& text) {
    messages_.push_back({{"role", role}, {"content", text}});
  }
  std::vector<TokenId> render() const {
    const std::string text =
        template_.render(template_variables(tokenizer_, messages_, nullptr, true));
    return tokenizer_.encode(text, {.add_special = false, .parse_special = true});
  }

  Tokenizer tokenizer_;
  ChatTemplate template_;
  Session session_;
  const ChatOptions& options_;
  Json messages_ = Json::array();
  std::vector<TokenId> read_;
};

void run(const ChatOptions& options) {
  const LoadedModel loaded = load_model(options.model, options.runtime);
  if (!loaded.model->spec().decoder || loaded.model->spec().encoder) {
    fail_usage(fmt::format("{} is no model to talk with (not decoder-only)", options.model));
  }
  Tokenizer tokenizer = need_tokenizer(*loaded.model);
  if (tokenizer.chat_template().empty()) {
    fail_usage(fmt::format(
        "{} has no chat template: it is a base model that continues text; use 'halfbyte run --raw'",
        options.model));
  }
  Chat chat(*loaded.model, std::move(tokenizer), options);
  const bool prompts = is_terminal_in();
  if (prompts) print_error("End with ctrl-d; ctrl-c ends a reply.");
  std::string line;
  while (true) {
    if (prompts) print("> ");
    flush_output();
    if (!read_line(line)) break;
    if (line.empty()) continue;
    try {
      chat.turn(line);
    } catch (const Error& error) {
      // A full context ends one turn, not the conversation; without a person to decide, everything.
      if (!prompts) throw;
      print_error(fmt::format("halfbyte: {}", error.what()));
      chat.forget_last();
    }
  }
  if (prompts) print("\n");
  check_interrupt();  // ctrl-c at the prompt
}

}  // namespace

std::function<void()> setup_chat(CLI::App& app) {
  auto options = std::make_shared<ChatOptions>();
  options->sampling.generate.max_tokens = 1024;
  app.add_option("MODEL", options->model, "A folder, a .gguf file or a bundle")->required();
  app.add_option("--system", options->system, "System text");
  options->sampling.declare(app);
  options->runtime.declare(app, true, false);
  return [options] { run(*options); };
}

}  // namespace halfbyte
