// halfbyte template: renders the model's chat template for given messages.
#include <CLI/CLI.hpp>
#include <fmt/format.h>

#include "base/error.h"
#include "base/mapped_file.h"
#include "cli/app.h"
#include "cli/jsonl.h"
#include "cli/terminal.h"
#include "formats/checkpoint.h"
#include "runtime/chat_prompt.h"

namespace halfbyte {

namespace {

struct TemplateOptions {
  std::string model;
  std::string jsonl;
  bool json = false;
};

// The template and the special tokens' text. A folder may hold nothing but these.
struct Source {
  std::string text;
  Json special = Json::object();
};

// "bos_token": "<s>" or {"content": "<s>", ...}
void read_special(const Json& config, Json& special) {
  for (const char* key : {"bos_token", "eos_token", "unk_token", "pad_token"}) {
    const auto found = config.find(key);
    if (found == config.end()) continue;
    if (found->is_string()) special[key] = *found;
    if (found->is_object() && found->contains("content")) special[key] = (*found)["content"];
  }
}

// A string, or a list of {"name", "template"} of which "default" counts.
std::string template_of(const Json& config) {
  const auto found = config.find("chat_template");
  if (found == config.end()) return "";
  if (found->is_string()) return found->get<std::string>();
  const auto text = [](const Json& item, const char* key) {
    const bool given = item.is_object() && item.contains(key) && item[key].is_string();
    return given ? item[key].get<std::string>() : std::string();
  };
  for (const Json& item : found->is_array() ? *found : Json::array()) {
    if (text(item, "name") == "default") return text(item, "template");
  }
  return "";
}

Source read_folder(const Checkpoint& checkpoint) {
  Source source;
  if (const auto config_path = checkpoint.file("tokenizer_config.json")) {
    const Json config = read_json_file(*config_path);
    if (!config.is_object()) fail_malformed(*config_path, "not a JSON object");
    source.text = template_of(config);
    read_special(config, source.special);
  }
  if (const auto own = checkpoint.file("chat_template.jinja"))
    source.text = read_text_file(*own, 16u << 20);
  return source;
}

Source read_source(const std::string& model) {
  const Checkpoint checkpoint = Checkpoint::open(model);
  if (checkpoint.format() == Format::kFolder) return read_folder(checkpoint);
  const std::optional<Tokenizer> tokenizer = Tokenizer::from_checkpoint(checkpoint);
  if (!tokenizer) fail_malformed(model, "the model brings no tokenizer");
  Source source;
  source.text = tokenizer->chat_template();
  source.special = template_variables(*tokenizer, nullptr, nullptr, false);
  return source;
}

Json render(const ChatTemplate& chat, const Source& source, const Json& line) {
  // A line may set any variable; these have a meaning when they are left out.
  Json variables = {{"messages", Json::array()},
                    {"tools", nullptr},
                    {"documents", nullptr},
                    {"add_generation_prompt", false}};
  for (const auto& [key, value] : source.special.items()) {
    if (key.ends_with("_token")) variables[key] = value;
  }
  for (const auto& [key, value] : line.items()) variables[key] = value;
  try {
    return {{"text", chat.render(variables)}};
  } catch (const Error& error) {
    return {{"error", error.message()}};
  }
}

void run(const TemplateOptions& options) {
  const Source source = read_source(options.model);
  if (source.text.empty()) fail_usage(fmt::format("{} has no chat template", options.model));
  const ChatTemplate chat(source.text, options.model);
  for_each_json_line(options.jsonl, [&](const Json& line) {
    if (!line.is_object()) fail_malformed(options.jsonl, "a line is not a JSON object");
    print_json(render(chat, source, line));
  });
}

}  // namespace

std::function<void()> setup_template(CLI::App& app) {
  auto options = std::make_shared<TemplateOptions>();
  app.add_option("MODEL", options->model,
                 "A model, or a folder with tokenizer_config.json or chat_template.jinja")
      ->required();
  app.add_option("--jsonl", options->jsonl,
                 "One {\"messages\", \"add_generation_prompt\", \"tools\"} a line")
      ->required();
  app.add_flag("--json", options->json, "Print JSON (always so)");
  return [options] { run(*options); };
}

}  // namespace halfbyte
