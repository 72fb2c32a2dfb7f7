#include "cli/prompt.h"

#include "runtime/chat_prompt.h"

namespace halfbyte {

std::vector<TokenId> prompt_tokens(const Model& model, const Tokenizer& tokenizer,
                                   const std::string& prompt, const std::string& system, bool raw,
                                   const std::string& name) {
  const bool plain = raw || tokenizer.chat_template().empty() || model.spec().encoder;
  if (plain) return tokenizer.encode(prompt, {.add_special = true, .parse_special = true});
  const ChatTemplate chat(tokenizer.chat_template(), name);
  const Json variables = template_variables(tokenizer, user_message(prompt, system), nullptr, true);
  return tokenizer.encode(chat.render(variables), {.add_special = false, .parse_special = true});
}

}  // namespace halfbyte
