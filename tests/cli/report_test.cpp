// The page of `compress --report`: whole, on its own, and not to be broken out of.
#include <filesystem>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/mapped_file.h"
#include "cli/compress_report.h"
#include "cli/report_page.h"
#include "program.h"
#include "support/goldens.h"
#include "support/toy_tokenizer.h"

namespace halfbyte {
namespace {

namespace fs = std::filesystem;
using test::Outcome;
using testing::HasSubstr;
using testing::Not;

std::size_t count(std::string_view text, std::string_view what) {
  std::size_t found = 0;
  for (std::size_t at = text.find(what); at != std::string_view::npos;
       at = text.find(what, at + 1)) {
    ++found;
  }
  return found;
}

Json block_of(const std::string& page) {
  constexpr std::string_view kOpen = "id=\"data\">";
  const std::size_t begin = page.find(kOpen) + kOpen.size();
  return parse_json(page.substr(begin, page.find("</script>", begin) - begin), "the page's block");
}

TEST(ReportPage, NothingInItsDataEndsTheBlock) {
  const std::string plain = report_page({{"tensors", Json::array()}});
  const Json hostile = {{"name", "</script><script>alert(1)</script>"},
                        {"text", "<!-- <script> ]]> {{script}} & \"' \u2028 "},
                        {"</script>", "key"}};
  const std::string page = report_page(hostile);
  EXPECT_EQ(count(page, "</script"), count(plain, "</script"));
  EXPECT_EQ(count(page, "<script"), count(plain, "<script"));
  EXPECT_EQ(count(page, "<!--"), count(plain, "<!--"));
  EXPECT_EQ(count(page, report_script()), 1u);
  EXPECT_EQ(block_of(page), hostile);
}

TEST(ReportPage, BrokenUtf8IsReplaced) {
  EXPECT_EQ(block_of(report_page({{"text", "a\xff"}}))["text"], "a\xEF\xBF\xBD");
}

TEST(ReportPage, LoadsNothing) {
  const std::string page = report_page(Json::object());
  EXPECT_THAT(page, HasSubstr("default-src 'none'"));
  for (const char* part : {"style", "license", "library", "data", "script"}) {
    EXPECT_THAT(page, Not(HasSubstr("{{" + std::string(part) + "}}")));
  }
  for (const std::string_view part : {report_template(), report_style(), report_script()}) {
    for (const char* loads :
         {"src=", "<link", "@import", "url(", "fetch(", "http://", "https://"}) {
      EXPECT_EQ(part.find(loads), std::string_view::npos) << loads;
    }
  }
  EXPECT_EQ(count(d3_library(), "</script"), 0u);
  EXPECT_THAT(std::string(d3_license()), HasSubstr("Mike Bostock"));
  // What shows strings shows them as text.
  EXPECT_EQ(count(report_script(), ".html("), 0u);
  EXPECT_EQ(count(report_script(), "innerHTML"), 0u);
}

TEST(Report, TheHeldOutPartIsTheLastLines) {
  const HeldOut lines = hold_out("aaaaaaaaaa\nbbbbbbbbbb\ncccccccccc\nddd\n");
  EXPECT_EQ(lines.rest, "aaaaaaaaaa\nbbbbbbbbbb\ncccccccccc\n");
  EXPECT_EQ(lines.held, "ddd\n");
  const std::string accents = "\u00e9\u00e9\u00e9\u00e9\u00e9\u00e9\u00e9\u00e9\u00e9";
  const HeldOut cut = hold_out(accents);
  EXPECT_EQ(cut.rest + cut.held, accents);
  EXPECT_EQ(cut.held.size() % 2, 0u);
  EXPECT_EQ(hold_out("").held, "");
}

class ReportCommand : public testing::Test {
 protected:
  ReportCommand() {
    fs::copy(test::model_path("llama"), folder_ / "model");
    folder_.put("model/tokenizer.json", test::toy_tokenizer_json());
    folder_.put("model/tokenizer_config.json", test::toy_tokenizer_config(""));
    std::string text;
    for (int i = 0; i < 400; ++i) text += "ab ba abab hello\n";
    folder_.put("text", text);
  }
  Outcome run(std::vector<std::string> more) const {
    std::vector<std::string> arguments = {
        "compress", folder_ / "model", "-o", folder_ / "out.gguf", "--type", "q4_0", "--json"};
    arguments.insert(arguments.end(), more.begin(), more.end());
    return program_.run(arguments);
  }
  test::TemporaryFolder folder_;
  test::Program program_;
};

TEST_F(ReportCommand, HoldsWhatWasMeasured) {
  const Outcome outcome = run({"--calib", folder_ / "text", "--calib-tokens", "256",
                               "--calib-length", "32", "--report", folder_ / "page.html"});
  ASSERT_EQ(outcome.exit, 0) << outcome.err;
  EXPECT_EQ(outcome.json()["report"], folder_ / "page.html");
  const Json data = block_of(read_text_file(folder_ / "page.html"));
  EXPECT_EQ(data["type"], "q4_0");
  EXPECT_EQ(data["method"], "best");
  ASSERT_EQ(data["variants"].size(), 3u);
  const char* roles[] = {"source", "result", "rtn"};
  for (std::size_t i = 0; i < 3; ++i) {
    const Json& variant = data["variants"][i];
    EXPECT_EQ(variant["role"], roles[i]);
    EXPECT_GT(variant["decode_tok_s"].get<double>(), 0.0);
    EXPECT_EQ(variant["divergence"].is_null(), i == 0);
    EXPECT_FALSE(variant["perplexity"].empty());
    EXPECT_EQ(variant["texts"].size(), data["prompts"].size());
  }
  std::uint64_t elements = 0;
  for (const Json& tensor : data["tensors"]) elements += tensor["elements"].get<std::uint64_t>();
  EXPECT_EQ(elements, ModelFiles(folder_ / "model").parameters());
  EXPECT_EQ(folder_.entries(), 4u);  // model, text, out.gguf, page.html: no trace of the baseline
}

TEST_F(ReportCommand, WithoutATextThereIsNoDivergence) {
  const Outcome outcome = run({"--report", folder_ / "page.html"});
  ASSERT_EQ(outcome.exit, 0) << outcome.err;
  const Json data = block_of(read_text_file(folder_ / "page.html"));
  ASSERT_EQ(data["variants"].size(), 2u);  // the result is rtn
  EXPECT_TRUE(data["variants"][1]["divergence"].is_null());
  EXPECT_GT(data["variants"][1]["decode_tok_s"].get<double>(), 0.0);
}

TEST_F(ReportCommand, APageThatCannotBeWrittenIsKnownBeforeTheWork) {
  const Outcome outcome = run({"--report", folder_ / "no/such/page.html"});
  EXPECT_EQ(outcome.exit, 1);
  EXPECT_EQ(folder_.entries(), 2u);
}

TEST_F(ReportCommand, OtherArchitecturesAreShownToo) {
  for (const char* name : {"bert", "t5"}) {
    const Outcome outcome =
        program_.run({"compress", test::model_path(name), "-o", folder_ / name, "--report",
                      folder_ / "page.html", "--report-text", folder_ / "text"});
    EXPECT_EQ(outcome.exit, 0) << outcome.err;
    EXPECT_FALSE(block_of(read_text_file(folder_ / "page.html"))["tensors"].empty());
  }
}

}  // namespace
}  // namespace halfbyte
