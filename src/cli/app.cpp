#include "cli/app.h"

#include <algorithm>
#include <new>
#include <string>
#include <vector>

#include <CLI/CLI.hpp>
#include <fmt/format.h>

#include "base/error.h"
#include "cli/terminal.h"

namespace halfbyte {

namespace {

constexpr Command kCommands[] = {
    {"compress",
     "Make a model smaller: quantize its weights and write a bundle, GGUF or safetensors",
     setup_compress},
    {"convert", "Write a model in another format without quantizing", setup_convert},
    {"run", "Answer a prompt, or continue a text", setup_run},
    {"chat", "Talk with a model", setup_chat},
    {"eval", "Measure perplexity, and what compression cost against a reference", setup_eval},
    {"bench", "Measure prefill and decode speed", setup_bench},
    {"inspect", "Show what a model is made of", setup_inspect},
    {"tokenize", "Turn text into token ids", setup_tokenize},
    {"template", "Render a chat template", setup_template},
    {"logits", "Write a model's outputs for given token ids", setup_logits},
    {"completion", "Print a completion script for bash, zsh or fish", setup_completion},
    {"man", "Print the manual page (halfbyte man | man -l -)", setup_man},
};

bool wants_json(int argc, const char* const* argv) {
  return std::any_of(argv, argv + argc,
                     [](const char* arg) { return std::string_view(arg) == "--json"; });
}

int report(const Error& error, bool json) {
  print_error(fmt::format("halfbyte: {}", error.what()));
  if (json) {
    Json body;
    body["error"] = {{"code", error_code_name(error.code())},
                     {"message", error.message()},
                     {"file", error.file()}};
    if (error.offset()) body["error"]["offset"] = *error.offset();
    print_json(body);
  }
  return static_cast<int>(error.code());
}

// --help and --version end parsing too; everything else that CLI11 throws is wrong usage.
int report_usage(const CLI::App& app, const CLI::ParseError& error, bool json) {
  if (error.get_exit_code() == 0) return app.exit(error);
  return report(Error(ErrorCode::kUsage, "", fmt::format("{} (see halfbyte --help)", error.what())),
                json);
}

}  // namespace

std::span<const Command> all_commands() {
  return kCommands;
}

std::unique_ptr<CLI::App> make_app(std::function<void()>& chosen) {
  auto app = std::make_unique<CLI::App>(
      "halfbyte makes published transformer models small, and runs them fast on this machine's CPU",
      "halfbyte");
  app->set_version_flag("--version", "halfbyte " HALFBYTE_VERSION);
  app->require_subcommand(1);
  app->get_formatter()->column_width(34);
  for (const Command& command : kCommands) {
    CLI::App* sub = app->add_subcommand(std::string(command.name), std::string(command.summary));
    sub->callback([&chosen, run = command.setup(*sub)] { chosen = run; });
  }
  return app;
}

int run_command_line(int argc, const char* const* argv) {
  const bool json = wants_json(argc, argv);
  std::function<void()> chosen;
  const std::unique_ptr<CLI::App> app = make_app(chosen);
  try {
    app->parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    return report_usage(*app, error, json);
  }
  try {
    install_interrupt_handler();
    chosen();
    flush_output();
    return 0;
  } catch (const Error& error) {
    return report(error, json);
  } catch (const std::bad_alloc&) {
    return report(Error(ErrorCode::kFailed, "", "out of memory"), json);
  } catch (const std::exception& error) {
    return report(Error(ErrorCode::kFailed, "", error.what()), json);
  }
}

}  // namespace halfbyte
