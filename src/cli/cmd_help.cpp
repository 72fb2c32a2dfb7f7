// halfbyte completion and halfbyte man: made from the same option tables as --help.
#include <CLI/CLI.hpp>
#include <fmt/format.h>

#include "base/error.h"
#include "cli/app.h"
#include "cli/terminal.h"

namespace halfbyte {

namespace {

struct OptionText {
  std::vector<std::string> names;  // "-o", "--out"
  std::string help;
  bool takes_value = false;
  bool positional = false;
};

std::vector<OptionText> options_of(const CLI::App& app) {
  std::vector<OptionText> options;
  for (const CLI::Option* option : app.get_options()) {
    OptionText text;
    text.positional = option->get_positional();
    for (const std::string& name : option->get_snames()) text.names.push_back("-" + name);
    for (const std::string& name : option->get_lnames()) text.names.push_back("--" + name);
    if (text.positional) text.names = {option->get_name(true)};
    text.help = option->get_description();
    text.takes_value = option->get_items_expected_max() > 0;
    options.push_back(std::move(text));
  }
  return options;
}

std::vector<const CLI::App*> commands_of(const CLI::App& app) {
  const auto subs = app.get_subcommands([](const CLI::App*) { return true; });
  return {subs.begin(), subs.end()};
}

std::string flags_of(const CLI::App& command) {
  std::string flags;
  for (const OptionText& option : options_of(command)) {
    if (option.positional) continue;
    for (const std::string& name : option.names) flags += (flags.empty() ? "" : " ") + name;
  }
  return flags;
}

std::string command_names(const CLI::App& app) {
  std::string names;
  for (const CLI::App* command : commands_of(app))
    names += (names.empty() ? "" : " ") + command->get_name();
  return names;
}

std::string bash_completion(const CLI::App& app) {
  std::string cases;
  for (const CLI::App* command : commands_of(app)) {
    cases += fmt::format("    {}) words=\"{}\" ;;\n", command->get_name(), flags_of(*command));
  }
  return fmt::format(
      "# bash completion of halfbyte: source it, or put it in /etc/bash_completion.d\n"
      "_halfbyte() {{\n"
      "  local current=\"${{COMP_WORDS[COMP_CWORD]}}\" words=\"\"\n"
      "  if [ \"$COMP_CWORD\" -eq 1 ]; then\n"
      "    COMPREPLY=($(compgen -W \"{}\" -- \"$current\")); return\n"
      "  fi\n"
      "  case \"${{COMP_WORDS[1]}}\" in\n{}  esac\n"
      "  case \"$current\" in\n"
      "    -*) COMPREPLY=($(compgen -W \"$words\" -- \"$current\")) ;;\n"
      "    *) COMPREPLY=($(compgen -f -- \"$current\")) ;;\n"
      "  esac\n"
      "}}\n"
      "complete -o filenames -F _halfbyte halfbyte\n",
      command_names(app), cases);
}

std::string quoted(const std::string& text, const char* quote_as) {
  std::string out;
  for (const char c : text) out += c == '\'' ? std::string(quote_as) : std::string(1, c);
  return out;
}

std::string zsh_completion(const CLI::App& app) {
  std::string list;
  std::string cases;
  for (const CLI::App* command : commands_of(app)) {
    list += fmt::format("    '{}:{}'\n", command->get_name(),
                        quoted(command->get_description(), "'\\''"));
    cases += fmt::format("    {}) flags=({}) ;;\n", command->get_name(), flags_of(*command));
  }
  return fmt::format(
      "#compdef halfbyte\n"
      "_halfbyte() {{\n"
      "  local -a commands flags\n"
      "  commands=(\n{}  )\n"
      "  if (( CURRENT == 2 )); then _describe command commands; return; fi\n"
      "  case $words[2] in\n{}  esac\n"
      "  if [[ $PREFIX == -* ]]; then compadd -- $flags; else _files; fi\n"
      "}}\n"
      "_halfbyte \"$@\"\n",
      list, cases);
}

std::string fish_completion(const CLI::App& app) {
  std::string out = "# fish completion of halfbyte\n";
  for (const CLI::App* command : commands_of(app)) {
    out += fmt::format("complete -c halfbyte -n __fish_use_subcommand -a {} -d '{}'\n",
                       command->get_name(), quoted(command->get_description(), "\\'"));
    for (const OptionText& option : options_of(*command)) {
      if (option.positional) continue;
      std::string names;
      for (const std::string& name : option.names) {
        names += name.starts_with("--") ? " -l " + name.substr(2) : " -s " + name.substr(1);
      }
      out += fmt::format("complete -c halfbyte -n '__fish_seen_subcommand_from {}'{}{} -d '{}'\n",
                         command->get_name(), names, option.takes_value ? " -r" : "",
                         quoted(option.help, "\\'"));
    }
  }
  return out;
}

// roff: a hyphen is \-, a line must not begin with a dot or quote.
std::string roff(const std::string& text) {
  std::string out;
  for (const char c : text) {
    if (c == '-')
      out += "\\-";
    else if (c == '\\')
      out += "\\e";
    else
      out += c;
  }
  return out.starts_with('.') || out.starts_with('\'') ? "\\&" + out : out;
}

std::string man_page(const CLI::App& app) {
  std::string out = fmt::format(
      ".TH HALFBYTE 1 \"\" \"halfbyte {}\" \"User Commands\"\n.SH NAME\nhalfbyte \\- small and "
      "fast transformer models on CPUs\n"
      ".SH SYNOPSIS\n.B halfbyte\n.I COMMAND\n[options]\n.SH DESCRIPTION\n{}.\n.SH COMMANDS\n",
      HALFBYTE_VERSION, roff(app.get_description()));
  for (const CLI::App* command : commands_of(app)) {
    out +=
        fmt::format(".SS {}\n{}.\n", roff(command->get_name()), roff(command->get_description()));
    for (const OptionText& option : options_of(*command)) {
      std::string names;
      for (const std::string& name : option.names)
        names += (names.empty() ? "" : ", ") + roff(name);
      out += fmt::format(".TP\n.B {}\n{}\n", names, roff(option.help));
    }
  }
  out +=
      ".SH EXIT STATUS\n0 done; 1 failed while running; 2 wrong usage; 3 the input file is "
      "malformed; "
      "4 well\\-formed but not supported; 130 interrupted.\n";
  return out;
}

struct Shell {
  std::string_view name;
  std::string (*script)(const CLI::App& app);
};
constexpr Shell kShells[] = {
    {"bash", bash_completion}, {"zsh", zsh_completion}, {"fish", fish_completion}};

}  // namespace

std::function<void()> setup_completion(CLI::App& app) {
  auto shell = std::make_shared<std::string>();
  app.add_option("SHELL", *shell, "bash, zsh or fish")
      ->required()
      ->check(CLI::IsMember({"bash", "zsh", "fish"}));
  return [shell] {
    std::function<void()> unused;
    const std::unique_ptr<CLI::App> whole = make_app(unused);
    for (const Shell& row : kShells) {
      if (row.name == *shell) print(row.script(*whole));
    }
  };
}

std::function<void()> setup_man(CLI::App&) {
  return [] {
    std::function<void()> unused;
    print(man_page(*make_app(unused)));
  };
}

}  // namespace halfbyte
