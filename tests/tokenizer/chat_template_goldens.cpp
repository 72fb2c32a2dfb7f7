// Renderings of the reference (Jinja2 as transformers sets it up), byte for byte. The data is made
// by tools/make_template_goldens.py.
#include <ctime>
#include <fstream>
#include <sstream>
#include <string>

#include <gtest/gtest.h>

#include "base/error.h"
#include "base/json.h"
#include "tokenizer/chat_template.h"

namespace halfbyte {
namespace {

const std::string kFolder = std::string(HALFBYTE_TEST_DATA) + "/templates/";

std::string read_text(const std::string& name) {
  std::ifstream file(kFolder + name, std::ios::binary);
  std::stringstream text;
  text << file.rdbuf();
  return text.str();
}

// 2024-07-26 14:05:09, a Friday.
std::tm fixed_clock() {
  std::tm now{};
  now.tm_year = 124;
  now.tm_mon = 6;
  now.tm_mday = 26;
  now.tm_hour = 14;
  now.tm_min = 5;
  now.tm_sec = 9;
  now.tm_wday = 5;
  now.tm_yday = 207;
  return now;
}

// `expected` has "text", or "error" with the exact message or null for any.
void expect_rendering(const std::string& source, const Json& variables, const Json& expected) {
  const std::tm now = fixed_clock();
  try {
    const std::string text = ChatTemplate(source).render(variables, {}, &now);
    if (expected.contains("error")) {
      ADD_FAILURE() << "no error, but: " << text;
    } else {
      EXPECT_EQ(text, expected["text"].get<std::string>());
    }
  } catch (const Error& error) {
    if (expected.contains("text")) {
      ADD_FAILURE() << error.what() << "\ninstead of: " << expected["text"];
    } else if (expected["error"].is_string()) {
      EXPECT_EQ(error.message(), expected["error"].get<std::string>());
      EXPECT_EQ(error.code(), ErrorCode::kMalformed);
    }
  }
}

TEST(ChatTemplateGoldens, Conversations) {
  const Json goldens = Json::parse(read_text("goldens.json"));
  std::size_t texts = 0;
  for (const Json& golden : goldens["cases"]) {
    const std::string name = golden["template"];
    const std::string conversation = golden["conversation"];
    SCOPED_TRACE(name + " " + conversation);
    expect_rendering(read_text(name), goldens["conversations"][conversation], golden);
    texts += golden.contains("text");
  }
  EXPECT_GT(texts, 500u);
}

TEST(ChatTemplateGoldens, Expressions) {
  const Json goldens = Json::parse(read_text("expressions.json"));
  for (const Json& golden : goldens["cases"]) {
    SCOPED_TRACE(golden["template"].get<std::string>());
    expect_rendering(golden["template"], goldens["variables"], golden);
  }
  EXPECT_GT(goldens["cases"].size(), 120u);
}

}  // namespace
}  // namespace halfbyte
