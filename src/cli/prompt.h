// A user's prompt as the tokens that a model is given.
#pragma once

#include <string>
#include <vector>

#include "runtime/model.h"
#include "tokenizer/tokenizer.h"

namespace halfbyte {

// Through the model's chat template, with `system` before the prompt where it is not empty; as it
// stands where there is none, where `raw` asks for it, and for encoders. `name` is the model's, for
// errors.
std::vector<TokenId> prompt_tokens(const Model& model, const Tokenizer& tokenizer,
                                   const std::string& prompt, const std::string& system, bool raw,
                                   const std::string& name);

}  // namespace halfbyte
