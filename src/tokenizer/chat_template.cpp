#include "tokenizer/chat_template.h"

#include "tokenizer/jinja/ast.h"
#include "tokenizer/jinja/interpreter.h"
#include "tokenizer/jinja/parser.h"

namespace halfbyte {

struct ChatTemplate::Program {
  jinja::Template parsed;
};

ChatTemplate::ChatTemplate(std::string_view source, std::string_view file)
    : program_(std::make_shared<const Program>(Program{jinja::Parser(source, file).run()})) {}

std::string ChatTemplate::render(const Json& variables, const TemplateLimits& limits,
                                 const std::tm* now) const {
  return jinja::Interpreter(program_->parsed, limits, now).run(variables);
}

}  // namespace halfbyte
