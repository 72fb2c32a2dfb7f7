// A tokenizer.json from anywhere: it is refused with an Error, or it encodes and decodes.
#include <cstddef>
#include <cstdint>
#include <string_view>

#include "base/error.h"
#include "tokenizer/tokenizer.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace halfbyte;
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  try {
    const Tokenizer tokenizer = Tokenizer::from_json(text, "", "fuzz");
    for (const std::string_view sample :
         {std::string_view("Hello, world! 123 it's\n\n  <s>x</s>"),
          std::string_view("\xE2\x96\x81 na\xC3\xAFve \xF0\x9F\x91\x8D \xFF\x80 ab"), text}) {
      const auto ids = tokenizer.encode(sample.substr(0, 512), {true, true});
      tokenizer.decode(ids);
      tokenizer.encode(sample.substr(0, 64), {false, false});
    }
    Metadata metadata;
    tokenizer.to_gguf(metadata, tokenizer.vocab_size(), false);
  } catch (const Error&) {
  }
  return 0;
}
