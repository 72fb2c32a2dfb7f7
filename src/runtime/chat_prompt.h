// A conversation as the model's own chat template writes it.
#pragma once

#include <string>

#include "base/json.h"
#include "tokenizer/chat_template.h"
#include "tokenizer/tokenizer.h"

namespace halfbyte {

// What templates are given: messages, tools, add_generation_prompt and the special tokens' text.
Json template_variables(const Tokenizer& tokenizer, const Json& messages, const Json& tools,
                        bool add_generation_prompt);

// One turn of a user, with a system text before it where `system` is not empty.
Json user_message(const std::string& text, const std::string& system);

}  // namespace halfbyte
