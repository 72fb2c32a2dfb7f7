#include "runtime/chat_prompt.h"

namespace halfbyte {

Json template_variables(const Tokenizer& tokenizer, const Json& messages, const Json& tools,
                        bool add_generation_prompt) {
  Json variables;
  variables["messages"] = messages;
  variables["tools"] = tools;
  variables["documents"] = nullptr;
  variables["add_generation_prompt"] = add_generation_prompt;
  const auto text = [&](const char* name, std::optional<TokenId> id) {
    if (id) variables[name] = std::string(tokenizer.piece(*id));
  };
  text("bos_token", tokenizer.bos());
  text("eos_token", tokenizer.eos());
  text("unk_token", tokenizer.unk());
  text("pad_token", tokenizer.pad());
  return variables;
}

Json user_message(const std::string& text, const std::string& system) {
  Json messages = Json::array();
  if (!system.empty()) messages.push_back({{"role", "system"}, {"content", system}});
  messages.push_back({{"role", "user"}, {"content", text}});
  return messages;
}

}  // namespace halfbyte
