// What holds for every tokenizer: long texts, ill-formed text, streaming, GGUF there and back.
#include <chrono>
#include <filesystem>

#include <gtest/gtest.h>

#include "base/error.h"
#include "base/mapped_file.h"
#include "tokenizer/regex.h"
#include "tokenizer/tokenizer.h"

namespace halfbyte {
namespace {

namespace fs = std::filesystem;
const fs::path kData = fs::path(HALFBYTE_TEST_DATA) / "tokenizers";

Tokenizer smollm2() {
  return Tokenizer::from_json(read_text_file(kData / "bpe-bytelevel-smollm2" / "tokenizer.json"),
                              "", "tokenizer.json");
}

Tokenizer spm_llama() {
  const MappedFile file(kData / "spm-bpe-llama" / "spiece.model");
  return Tokenizer::from_sentencepiece(file.bytes(), "spiece.model");
}

std::string repeated(std::string_view unit, std::size_t bytes) {
  std::string text;
  while (text.size() < bytes) text += unit;
  return text;
}

std::string random_bytes(std::size_t count) {
  std::string text;
  std::uint64_t state = 1;
  for (std::size_t i = 0; i < count; ++i) {
    state = state * 6364136223846793005u + 1442695040888963407u;
    text += static_cast<char>(static_cast<unsigned char>(state >> 56));
  }
  return text;
}

// A quadratic path would take minutes; a loaded machine may take seconds.
TEST(TokenizerBehavior, LongTextsTakeLinearTime) {
  for (const Tokenizer& tokenizer : {smollm2(), spm_llama()}) {
    for (const std::string& text :
         {repeated("a", 1 << 20), repeated(" ", 1 << 20), repeated("\n", 1 << 20),
          repeated("\xF0\x9F\x91\x8D", 1 << 20), repeated("!", 1 << 20), random_bytes(1 << 20)}) {
      const auto start = std::chrono::steady_clock::now();
      const auto ids = tokenizer.encode(text);
      EXPECT_LT(std::chrono::steady_clock::now() - start, std::chrono::seconds(20));
      const std::string back = tokenizer.decode(ids);
      if (is_valid_utf8(text)) {  // else: SmolLM2 has no piece for some bytes
        EXPECT_EQ(back, text);
      }
    }
  }
}

TEST(TokenizerBehavior, IllFormedTextIsRepairedFirst) {
  const Tokenizer tokenizer = smollm2();
  EXPECT_EQ(tokenizer.encode("a\xFF\xE2\x82z"), tokenizer.encode("a\uFFFD\uFFFDz"));
  EXPECT_EQ(tokenizer.decode(tokenizer.encode("a\xFF")), "a\uFFFD");
}

TEST(TokenizerBehavior, StreamEmitsWholeCharactersAndAllOfThem) {
  const Tokenizer tokenizer = smollm2();
  std::vector<TokenId> ids;
  for (TokenId id = 0; id < 49152; id += 7) ids.push_back(id);  // cuts through characters
  for (const Tokenizer& each : {tokenizer, spm_llama()}) {
    StreamDecoder decoder(each, false);
    std::string out;
    for (const TokenId id : ids) {
      const std::string part = decoder.push(id);
      ASSERT_TRUE(is_valid_utf8(part));
      out += part;
    }
    EXPECT_EQ(out + decoder.finish(), each.decode(ids));
  }
}

TEST(TokenizerBehavior, SpecialTokensInText) {
  const Tokenizer tokenizer = smollm2();
  const auto id = tokenizer.find_piece("<|im_start|>");
  ASSERT_TRUE(id);
  EXPECT_TRUE(tokenizer.is_special(*id));
  EXPECT_EQ(tokenizer.encode("<|im_start|>"), std::vector<TokenId>{*id});
  const auto plain = tokenizer.encode("<|im_start|>", {false, false});
  EXPECT_GT(plain.size(), 1u);
  EXPECT_EQ(tokenizer.decode(plain), "<|im_start|>");
  EXPECT_EQ(tokenizer.decode({*id}, true), "");
}

TEST(TokenizerBehavior, ConfigNamesTokens) {
  const std::string json = read_text_file(kData / "bpe-bytelevel-smollm2" / "tokenizer.json");
  const Tokenizer tokenizer = Tokenizer::from_json(
      json,
      R"({"bos_token": "<|im_start|>", "eos_token": {"content": "<|im_end|>"}, "unk_token": null,
          "add_bos_token": true, "chat_template": [{"name": "x", "template": "a"},
          {"name": "default", "template": "b"}]})",
      "config");
  EXPECT_EQ(tokenizer.bos(), tokenizer.find_piece("<|im_start|>"));
  EXPECT_EQ(tokenizer.eos(), tokenizer.find_piece("<|im_end|>"));
  EXPECT_TRUE(tokenizer.adds_bos());
  EXPECT_EQ(tokenizer.encode("a", {true, true}).front(), *tokenizer.bos());
  EXPECT_EQ(tokenizer.chat_template(), "b");
  EXPECT_EQ(tokenizer.end_ids().front(), *tokenizer.eos());
}

TEST(TokenizerBehavior, GgufThereAndBack) {
  for (const Tokenizer& tokenizer : {smollm2(), spm_llama()}) {
    for (const bool keep : {false, true}) {
      Metadata metadata;
      tokenizer.to_gguf(metadata, tokenizer.vocab_size() + 3, keep);
      EXPECT_EQ(metadata.get_strings("tokenizer.ggml.tokens").size(), tokenizer.vocab_size() + 3);
      const Tokenizer back = Tokenizer::from_gguf(metadata);
      for (const std::string_view text : {"Hello, world! It's 1234 o'clock.",
                                          "  two  spaces\n\n\ttab", "naïve 你好 👍🏽", ""}) {
        EXPECT_EQ(back.encode(text), tokenizer.encode(text)) << text;
        EXPECT_EQ(back.encode(text, {true, true}), tokenizer.encode(text, {true, true})) << text;
        EXPECT_EQ(back.decode(back.encode(text)), tokenizer.decode(tokenizer.encode(text)));
      }
      EXPECT_EQ(back.end_ids(), tokenizer.end_ids());
    }
  }
}

TEST(TokenizerBehavior, GgufNamesThePreTokenizer) {
  Metadata metadata;
  smollm2().to_gguf(metadata, 49152, false);
  EXPECT_EQ(metadata.get_string("tokenizer.ggml.pre"), "gpt-2");
  metadata.set_string("tokenizer.ggml.pre", "no-such-thing");
  try {
    Tokenizer::from_gguf(metadata);
    FAIL();
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ErrorCode::kUnsupported);
    EXPECT_NE(error.message().find("no-such-thing"), std::string::npos);
  }
}

std::vector<std::string> matches(std::string_view pattern, std::string_view text) {
  const Regex regex(pattern, "test");
  MatchScratch scratch;
  std::vector<Span> spans;
  std::string known;
  regex.find_all(known_characters(text, known) ? std::string_view(known) : text, scratch, spans);
  std::vector<std::string> out;
  for (const Span& span : spans) out.emplace_back(text.substr(span.begin, span.end - span.begin));
  return out;
}

// Where Oniguruma's Ruby syntax and PCRE2 part ways.
TEST(Regex, MeansWhatOnigurumaMeans) {
  using Strings = std::vector<std::string>;
  EXPECT_EQ(matches(R"(\h+)", "xyz12aFg"), (Strings{"12aF"}));
  EXPECT_EQ(matches(R"([a-z&&[^c-f]]+)", "abcdefgh"), (Strings{"ab", "gh"}));
  EXPECT_EQ(matches(R"([^a[bc]\d]+)", "xabcy1z"), (Strings{"x", "y", "z"}));
  EXPECT_EQ(matches(R"(a{2}+)", "aaaaa"), (Strings{"aaaa"}));  // repeated, not possessive
  EXPECT_EQ(matches(R"(a++b)", "aab"), (Strings{"aab"}));
  EXPECT_EQ(matches(R"(x{,2}y)", "xxxy"), (Strings{"xxy"}));
  EXPECT_EQ(matches(R"(\s+$)", "a \nb "), (Strings{" ", " "}));  // $ ends every line
  EXPECT_EQ(matches(R"((?m:.)+)", "a\nb"), (Strings{"a\nb"}));
  EXPECT_EQ(matches(R"((?i:'s))", "'S'ſ"), (Strings{"'S", "'ſ"}));
  EXPECT_EQ(matches(R"(\s)", "\u180e\u0085"), (Strings{"\u0085"}));
  EXPECT_EQ(matches(R"(\w+\b)", "é\u0301_ x"), (Strings{"é\u0301_", "x"}));
  EXPECT_EQ(matches(R"(\p{Letter}+|\p{^N})", "a1-"), (Strings{"a", "-"}));
  EXPECT_EQ(matches(R"(\p{L}+)", "a\U00010D4A"), (Strings{"a\U00010D4A"}));  // newer than PCRE2
}

}  // namespace
}  // namespace halfbyte
