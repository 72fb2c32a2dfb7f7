// A sink that wants no more is not called again, not even with text that was held back.
#include <gtest/gtest.h>

#include "run.h"
#include "runtime/generate.h"
#include "support/toy_tokenizer.h"

namespace halfbyte {
namespace {

using namespace test;

TEST(RefusingSink, IsNotCalledAgain) {
  ThreadPool pool(2);
  const auto model = Model::open(model_path("llama"), pool);
  const Tokenizer tokenizer = Tokenizer::from_json(toy_tokenizer_json(), "", "tokenizer.json");
  const std::vector<TokenId> prompt = {toy_id('a'), toy_id('b'), toy_id('c')};
  GenerateOptions options;
  options.max_tokens = 64;
  options.ignore_end = true;
  std::string whole;
  {
    Session session(*model);
    whole = generate(session, tokenizer, prompt, options).text;
  }
  // Every text of two characters may be the start of a stop string, so the end is held back.
  for (std::size_t i = 0; i + 1 < whole.size(); ++i)
    options.stop.push_back(whole.substr(i, 2) + "\x01");
  Session session(*model);
  int calls = 0;
  generate(session, tokenizer, prompt, options, [&](std::string_view) {
    ++calls;
    return false;
  });
  EXPECT_EQ(calls, 1);
}

}  // namespace
}  // namespace halfbyte
