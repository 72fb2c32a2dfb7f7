// The public library: open, continue, answer.
#include <filesystem>

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <halfbyte/engine.h>

#include "run.h"
#include "support/files.h"
#include "support/toy_tokenizer.h"

namespace halfbyte {
namespace {

using namespace test;

// A golden model with the toy tokenizer beside it; `config` is its tokenizer_config.json.
std::string make_folder(const TemporaryFolder& folder, const std::string& config) {
  for (const char* name : {"config.json", "model.safetensors"}) {
    fs::copy_file(fs::path(model_path("llama")) / name, folder / name);
  }
  folder.put("tokenizer.json", toy_tokenizer_json());
  folder.put("tokenizer_config.json", config);
  return folder.path();
}

TextOptions greedy(std::uint64_t tokens) {
  TextOptions options;
  options.temperature = 0.0f;
  options.max_tokens = tokens;
  return options;
}

TEST(Engine, ContinuesTheSameTextEachTimeAndStreamsIt) {
  const TemporaryFolder folder;
  Engine engine(make_folder(folder, toy_tokenizer_config()),
                {.threads = 2, .context = 64, .isa = ""});
  EXPECT_EQ(engine.context(), 64u);
  EXPECT_EQ(engine.detokenize(engine.tokenize("ab, cd!")), "ab, cd!");
  std::string streamed;
  const std::string text = engine.complete("ab", greedy(8), [&](std::string_view piece) {
    streamed += piece;
    return true;
  });
  EXPECT_EQ(streamed, text);
  EXPECT_EQ(engine.complete("ab", greedy(8)), text);
}

TEST(Engine, AnswersThroughTheTemplateOnly) {
  const TemporaryFolder base;
  Engine without(make_folder(base, toy_tokenizer_config()));
  EXPECT_THROW(without.reply({{"user", "ab"}}), std::exception);
  const TemporaryFolder chat;
  Engine with(make_folder(chat, R"({"chat_template": "{{ messages[0].content }}!"})"));
  EXPECT_EQ(with.reply({{"user", "ab"}}, greedy(8)), with.complete("ab!", greedy(8)));
}

TEST(Engine, FaultsAreExceptionsOfOneLine) {
  try {
    Engine("no/such/model");
    FAIL() << "opened";
  } catch (const std::exception& error) {
    EXPECT_THAT(error.what(), testing::HasSubstr("no/such/model"));
  }
}

}  // namespace
}  // namespace halfbyte
