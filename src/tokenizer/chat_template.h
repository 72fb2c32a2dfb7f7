// Chat templates: a sandboxed evaluator for the Jinja that published templates use. The reference
// is Jinja2 with trim_blocks and lstrip_blocks, as the transformers library sets it up.
#pragma once

#include <cstdint>
#include <ctime>
#include <memory>
#include <string>
#include <string_view>

#include "base/json.h"

namespace halfbyte {

struct TemplateLimits {
  std::uint32_t depth = 64;         // nesting of blocks, expressions and macro calls
  std::uint64_t steps = 1'000'000;  // evaluated nodes and loop turns
  std::uint64_t output = 4u << 20;  // bytes of text, also of any intermediate string
};

class ChatTemplate {
 public:
  // Parses; fails with kMalformed (a syntax error: what and in which line) or kUnsupported (a tag,
  // filter or function that is not known).
  explicit ChatTemplate(std::string_view source, std::string_view file = "chat template");

  // `variables`: messages, add_generation_prompt, tools, bos_token, eos_token, ... as JSON.
  // Fails with kMalformed where the template raises (raise_exception's own message), where an
  // undefined value is used, or where a limit is passed. `now`: the local time that strftime_now
  // shows; null asks the clock.
  std::string render(const Json& variables, const TemplateLimits& limits = {},
                     const std::tm* now = nullptr) const;

 private:
  struct Program;
  std::shared_ptr<const Program> program_;
};

}  // namespace halfbyte
