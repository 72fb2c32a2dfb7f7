// Tokenizer files that are broken or ask for what is not there: an Error that says so, never more.
#include <gtest/gtest.h>

#include "base/error.h"
#include "tokenizer/tokenizer.h"

namespace halfbyte {
namespace {

// The code of the Error that reading `json` ends in; nullopt where it is read.
std::optional<ErrorCode> error_of(const std::string& json, std::string* message = nullptr) {
  try {
    const Tokenizer tokenizer = Tokenizer::from_json(json, "", "t.json");
    tokenizer.decode(tokenizer.encode("ab \xFF it's 1234"));
  } catch (const Error& error) {
    EXPECT_EQ(error.file(), "t.json");
    if (message != nullptr) *message = error.message();
    return error.code();
  }
  return std::nullopt;
}

std::string file(const std::string& parts,
                 const std::string& model = R"("vocab":{"a":0,"b":1,"ab":2},"merges":["a b"])") {
  return R"({"model":{"type":"BPE",)" + model + "}" + (parts.empty() ? "" : "," + parts) + "}";
}

TEST(TokenizerHostile, JsonFiles) {
  struct Case {
    std::string json;
    std::optional<ErrorCode> code;
    std::string_view says;
  };
  const std::vector<Case> cases = {
      {file(""), std::nullopt, ""},
      {"", ErrorCode::kMalformed, "JSON"},
      {"[1]", ErrorCode::kMalformed, "object"},
      {"{\"model\":", ErrorCode::kMalformed, "JSON"},
      {"{}", ErrorCode::kMalformed, "model"},
      {R"({"model":{"type":"WordLevel","vocab":{}}})", ErrorCode::kUnsupported, "WordLevel"},
      {file("", R"("vocab":{"a":-1},"merges":[])"), ErrorCode::kMalformed, "id of piece"},
      {file("", R"("vocab":{"a":4194304},"merges":[])"), ErrorCode::kMalformed, "id of piece"},
      {file("", R"("vocab":{"a":0},"merges":["a b"])"), ErrorCode::kMalformed, "merge 0"},
      {file("", R"("vocab":{"a":0},"merges":[["a"]])"), ErrorCode::kMalformed, "merge 0"},
      {file("", R"("vocab":{"a":0},"merges":"a a")"), ErrorCode::kMalformed, "merges"},
      {file("", R"("vocab":[],"merges":[])"), ErrorCode::kMalformed, "vocab"},
      {file(R"("normalizer":{"type":"Magic"})"), ErrorCode::kUnsupported, "Magic"},
      {file(R"("normalizer":{"type":"Precompiled","precompiled_charsmap":"AAAA"})"),
       ErrorCode::kMalformed, "character map"},
      {file(R"("normalizer":{"type":"Precompiled","precompiled_charsmap":"!"})"),
       ErrorCode::kMalformed, "base64"},
      {file(R"("pre_tokenizer":{"type":"Split","pattern":{"Regex":"(a"},"behavior":"Isolated"})"),
       ErrorCode::kUnsupported, "pattern"},
      {file(R"("pre_tokenizer":{"type":"Split","pattern":{"Regex":"[a"},"behavior":"Isolated"})"),
       ErrorCode::kMalformed, "pattern"},
      {file(R"("pre_tokenizer":{"type":"Split","pattern":{"Regex":"a"},"behavior":"Odd"})"),
       ErrorCode::kUnsupported, "Odd"},
      {file(R"("pre_tokenizer":{"type":"CharDelimiterSplit","delimiter":""})"),
       ErrorCode::kMalformed, "delimiter"},
      {file(R"("added_tokens":7)"), ErrorCode::kMalformed, "added_tokens"},
      {file(R"("added_tokens":[{"id":5}])"), ErrorCode::kMalformed, "content"},
      {file(R"("post_processor":{"type":"TemplateProcessing","single":[{"SpecialToken":{"id":"x"}}],
                "special_tokens":{}})"),
       ErrorCode::kMalformed, "x"},
      {file(R"("decoder":{"type":"CTC"})"), ErrorCode::kUnsupported, "CTC"},
  };
  for (const Case& c : cases) {
    std::string message;
    EXPECT_EQ(error_of(c.json, &message), c.code) << c.json << ": " << message;
    EXPECT_NE(message.find(c.says), std::string::npos) << c.json << ": " << message;
  }
}

TEST(TokenizerHostile, DeepSequencesEnd) {
  std::string inner = R"({"type":"NFC"})";
  for (int i = 0; i < 40; ++i) inner = R"({"type":"Sequence","normalizers":[)" + inner + "]}";
  EXPECT_EQ(error_of(file("\"normalizer\":" + inner)), ErrorCode::kMalformed);
}

// A pattern that backtracks without end stops with an Error.
TEST(TokenizerHostile, ExplodingPatternStops) {
  const Tokenizer tokenizer = Tokenizer::from_json(
      file(R"("pre_tokenizer":{"type":"Split","pattern":{"Regex":"(a|aa|a)+$x"},
              "behavior":"Isolated"})"),
      "", "t.json");
  try {
    tokenizer.encode(std::string(60, 'a') + "b");
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ErrorCode::kUnsupported);
  }
}

TEST(TokenizerHostile, SentencePieceFiles) {
  const auto read = [](std::string_view bytes) {
    return Tokenizer::from_sentencepiece(as_bytes(bytes), "t.model");
  };
  // One piece "a" of score 0 and a trainer that says BPE.
  const std::string good(
      "\x0A\x08\x0A\x01"
      "a\x15\0\0\0\0\x12\x02\x18\x02",
      14);
  EXPECT_EQ(read(good).vocab_size(), 1u);
  for (std::size_t n = 0; n < good.size(); ++n) {
    if (n == 10) continue;  // a whole model without a trainer: of type unigram
    EXPECT_THROW(read(std::string_view(good).substr(0, n)), Error) << n;
  }
  try {
    read(std::string_view(good).substr(0, 10));
    FAIL();
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ErrorCode::kUnsupported);
    EXPECT_NE(error.message().find("unigram"), std::string::npos);
  }
  EXPECT_THROW(read("\x0A\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF\x01"), Error);
}

}  // namespace
}  // namespace halfbyte
