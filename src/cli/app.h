// The command line as a whole: the table of commands, parsing, and errors as exit codes.
#pragma once

#include <functional>
#include <memory>
#include <span>
#include <string_view>

namespace CLI {
class App;
}

namespace halfbyte {

// One row of the command table. `setup` declares the command's options on `app` and returns what
// runs it (called after parsing; throws Error).
struct Command {
  std::string_view name;
  std::string_view summary;
  std::function<void()> (*setup)(CLI::App& app);
};

std::span<const Command> all_commands();

// Builds the parser of all commands. `chosen` receives the command that was parsed.
std::unique_ptr<CLI::App> make_app(std::function<void()>& chosen);

// Parses and runs; prints errors; returns the exit code.
int run_command_line(int argc, const char* const* argv);

// The setups, one file each (cmd_NAME.cpp).
std::function<void()> setup_compress(CLI::App& app);
std::function<void()> setup_convert(CLI::App& app);
std::function<void()> setup_run(CLI::App& app);
std::function<void()> setup_chat(CLI::App& app);
std::function<void()> setup_eval(CLI::App& app);
std::function<void()> setup_bench(CLI::App& app);
std::function<void()> setup_inspect(CLI::App& app);
std::function<void()> setup_tokenize(CLI::App& app);
std::function<void()> setup_template(CLI::App& app);
std::function<void()> setup_logits(CLI::App& app);
std::function<void()> setup_completion(CLI::App& app);
std::function<void()> setup_man(CLI::App& app);

}  // namespace halfbyte
