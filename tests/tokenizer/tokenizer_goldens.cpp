// Tokenizers of every kind against what their reference libraries gave: files of cases, one JSON
// object a line ("text", "ids", "ids_special", "decoded"). tools/make_tokenizer_data.py and
// tools/make_spm_data.py make them.
#include <filesystem>
#include <fstream>

#include <gtest/gtest.h>

#include "base/json.h"
#include "base/mapped_file.h"
#include "tokenizer/tokenizer.h"

namespace halfbyte {
namespace {

namespace fs = std::filesystem;
const fs::path kData = fs::path(HALFBYTE_TEST_DATA) / "tokenizers";

Tokenizer open_json(const fs::path& folder) {
  const fs::path config = folder / "tokenizer_config.json";
  return Tokenizer::from_json(read_text_file(folder / "tokenizer.json"),
                              fs::exists(config) ? read_text_file(config) : "", "tokenizer.json");
}

std::vector<Json> read_cases(const fs::path& path) {
  std::vector<Json> cases;
  std::ifstream in(path);
  for (std::string line; std::getline(in, line);) cases.push_back(parse_json(line, "cases"));
  return cases;
}

std::vector<TokenId> ids_of(const Json& value) {
  return value.get<std::vector<TokenId>>();
}

std::string stream(const Tokenizer& tokenizer, const std::vector<TokenId>& ids) {
  StreamDecoder decoder(tokenizer, false);
  std::string out;
  for (const TokenId id : ids) {
    const std::string part = decoder.push(id);
    EXPECT_TRUE(is_valid_utf8(part));
    out += part;
  }
  return out + decoder.finish();
}

void check(const Tokenizer& tokenizer, const fs::path& cases_file) {
  const std::vector<Json> cases = read_cases(cases_file);
  ASSERT_FALSE(cases.empty());
  for (const Json& entry : cases) {
    const std::string text = entry["text"];
    SCOPED_TRACE(cases_file.string() + ": " + text.substr(0, 200));
    const std::vector<TokenId> ids = ids_of(entry["ids"]);
    EXPECT_EQ(tokenizer.encode(text), ids);
    if (entry.contains("ids_special")) {
      EXPECT_EQ(tokenizer.encode(text, {true, true}), ids_of(entry["ids_special"]));
    }
    if (entry.contains("decoded")) {
      EXPECT_EQ(tokenizer.decode(ids), entry["decoded"].get<std::string>());
      EXPECT_EQ(stream(tokenizer, ids), entry["decoded"].get<std::string>());
    }
  }
}

TEST(TokenizerGoldens, TokenizerJson) {
  int found = 0;
  for (const auto& entry : fs::directory_iterator(kData)) {
    if (!fs::exists(entry.path() / "tokenizer.json")) continue;
    check(open_json(entry.path()), entry.path() / "cases.jsonl");
    ++found;
  }
  EXPECT_GE(found, 23);
}

// Families whose pre-tokenizer GGUF has a name for: the keys alone rebuild the tokenizer.
TEST(TokenizerGoldens, ThroughGgufKeys) {
  struct Named {
    const char* family;
    const char* pre;
  };
  for (const Named& named : std::vector<Named>{{"llama3", "llama-bpe"},
                                               {"deepseek-v3", "deepseek-v3"},
                                               {"gpt-4o", "gpt-4o"},
                                               {"tekken", "tekken"},
                                               {"kimi", "kimi-k2"},
                                               {"bailing", "bailingmoe"},
                                               {"starcoder", "smollm"},
                                               {"superbpe", "superbpe"},
                                               {"aya", "tiny_aya"},
                                               {"bloom", "bloom"},
                                               {"gemma", "default"},
                                               {"llama2", "default"}}) {
    Metadata metadata;
    const Tokenizer tokenizer = open_json(kData / named.family);
    tokenizer.to_gguf(metadata, tokenizer.vocab_size(), false);
    EXPECT_EQ(metadata.get_string("tokenizer.ggml.pre"), named.pre);
    check(Tokenizer::from_gguf(metadata), kData / named.family / "cases.jsonl");
  }
}

TEST(TokenizerGoldens, SentencePiece) {
  int found = 0;
  for (const auto& entry : fs::directory_iterator(kData)) {
    if (!fs::exists(entry.path() / "spiece.model")) continue;
    const MappedFile file(entry.path() / "spiece.model");
    check(Tokenizer::from_sentencepiece(file.bytes(), "spiece.model"),
          entry.path() / "spm_cases.jsonl");
    ++found;
  }
  EXPECT_GE(found, 5);
}

}  // namespace
}  // namespace halfbyte
