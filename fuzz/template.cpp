// The input is a chat template, rendered over one rich conversation with low limits. Any Error is
// fine; a crash, a hang or a leak is not.
#include <cstddef>
#include <cstdint>
#include <string_view>

#include "base/error.h"
#include "base/json.h"
#include "tokenizer/chat_template.h"

namespace {

const halfbyte::Json& variables() {
  static const halfbyte::Json kVariables = halfbyte::Json::parse(R"({
    "messages": [
      {"role": "system", "content": "Be terse."},
      {"role": "user", "content": " Héllo 😀 <b> "},
      {"role": "assistant", "content": null, "tool_calls": [
        {"type": "function", "function": {"name": "f", "arguments": {"a": 1, "b": [1, 2.5]}}}]},
      {"role": "tool", "content": [{"type": "text", "text": "r"}]}],
    "tools": [{"type": "function", "function": {"name": "f", "description": "d", "parameters": {
      "type": "object", "properties": {"a": {"type": "integer"}}, "required": ["a"]}}}],
    "s": "a b,c", "n": 7, "f": 0.5, "d": {"k": "v", "items": 1}, "l": [3, 1, 2], "e": [],
    "bos_token": "<s>", "eos_token": "</s>", "add_generation_prompt": true})");
  return kVariables;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view source(reinterpret_cast<const char*>(data), size);
  const halfbyte::TemplateLimits limits{.depth = 32, .steps = 20'000, .output = 1u << 16};
  try {
    halfbyte::ChatTemplate(source).render(variables(), limits);
  } catch (const halfbyte::Error&) {
  }
  return 0;
}
