// halfbyte tokenize: text to ids, and what decoding gives back.
#include <sstream>

#include <CLI/CLI.hpp>
#include <fmt/format.h>

#include "base/error.h"
#include "base/mapped_file.h"
#include "cli/app.h"
#include "cli/jsonl.h"
#include "cli/terminal.h"
#include "tokenizer/tokenizer.h"

namespace halfbyte {

namespace {

struct TokenizeOptions {
  std::string model;
  std::string text;
  std::string file;
  std::string jsonl;
  bool special = false;
  bool json = false;
};

void one_line(const Tokenizer& tokenizer, const Json& line, const std::string& where) {
  const auto text = line.find("text");
  if (text == line.end() || !text->is_string()) fail_malformed(where, "a line has no \"text\"");
  const auto& value = text->get_ref<const std::string&>();
  const std::vector<TokenId> ids = tokenizer.encode(value);
  Json body;
  body["ids"] = ids;
  body["ids_special"] = tokenizer.encode(value, {.add_special = true});
  body["decoded"] = tokenizer.decode(ids);
  print_json(body);
}

void run(const TokenizeOptions& options) {
  const Tokenizer tokenizer = Tokenizer::open(options.model);
  if (!options.jsonl.empty()) {
    for_each_json_line(options.jsonl,
                       [&](const Json& line) { one_line(tokenizer, line, options.jsonl); });
    return;
  }
  std::string text = options.text;
  if (!options.file.empty()) text = read_text_file(options.file, std::uint64_t{1} << 32);
  if (options.file.empty() && options.text.empty() && !is_terminal_in()) text = read_stdin();
  const std::vector<TokenId> ids = tokenizer.encode(text, {.add_special = options.special});
  if (options.json) {
    Json body;
    body["ids"] = ids;
    body["tokens"] = Json::array();
    for (const TokenId id : ids) body["tokens"].push_back(std::string(tokenizer.piece(id)));
    print_json(body);
    return;
  }
  for (const TokenId id : ids) print_line(fmt::format("{:7}  {}", id, tokenizer.piece(id)));
}

}  // namespace

std::function<void()> setup_tokenize(CLI::App& app) {
  auto options = std::make_shared<TokenizeOptions>();
  app.add_option("MODEL", options->model, "A model, or a bare tokenizer.json or spiece.model")
      ->required();
  auto* text = app.add_option("TEXT", options->text, "The text (default: standard input)");
  auto* file = app.add_option("--file", options->file, "Read the text from a file")->excludes(text);
  app.add_option("--jsonl", options->jsonl,
                 "One {\"text\": ...} a line; prints one JSON object a line")
      ->excludes(text)
      ->excludes(file);
  app.add_flag("--special", options->special,
               "Add the special tokens that the model's post-processor adds");
  app.add_flag("--json", options->json, "Print JSON");
  return [options] { run(*options); };
}

}  // namespace halfbyte
