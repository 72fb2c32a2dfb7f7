// Hostile templates: every one ends soon, in an Error or in text, and none takes the stack or the
// memory down.
#include <string>

#include <gtest/gtest.h>

#include "base/error.h"
#include "base/json.h"
#include "tokenizer/chat_template.h"

namespace halfbyte {
namespace {

std::string repeat(const std::string& text, std::size_t times) {
  std::string out;
  for (std::size_t i = 0; i < times; ++i) out += text;
  return out;
}

Json variables() {
  return Json::parse(R"({"l": [1, 2, 3], "s": "abc", "messages": [{"role": "user"}]})");
}

ErrorCode code_of(const std::string& source, const TemplateLimits& limits = {}) {
  try {
    ChatTemplate(source).render(variables(), limits);
  } catch (const Error& error) {
    return error.code();
  }
  return ErrorCode::kFailed;
}

std::string message_of(const std::string& source) {
  try {
    return ChatTemplate(source).render(variables());
  } catch (const Error& error) {
    return error.message();
  }
}

class HostileTemplate : public testing::TestWithParam<std::string> {};

TEST_P(HostileTemplate, FailsCleanly) {
  EXPECT_EQ(code_of(GetParam()), ErrorCode::kMalformed);
}

INSTANTIATE_TEST_SUITE_P(
    Time, HostileTemplate,
    testing::Values(
        "{% for a in range(99999) %}{% for b in range(99999) %}{% endfor %}{% endfor %}",
        "{% macro f() %}{{ f() }}{{ f() }}{% endmacro %}{{ f() }}",
        "{% macro f(n) %}{% if n %}{{ f(n - 1) }}{{ f(n - 1) }}{% endif %}{% endmacro %}{{ f(40) "
        "}}",
        "{% set ns = namespace(x=[]) %}{% for i in range(60) %}{% set ns.x = [ns.x, ns.x] %}"
        "{% endfor %}{{ ns.x }}",
        "{% set ns = namespace(x=[1], y=[1]) %}{% for i in range(45) %}{% set ns.x = [ns.x, ns.x] "
        "%}{% set ns.y = [ns.y, ns.y] %}{% endfor %}{{ ns.x == ns.y }}",
        "{{ range(100000)|list + range(100000)|list * 1000 }}",
        "{% for x in [[1]] recursive %}{{ loop([[1]]) }}{% endfor %}"));

INSTANTIATE_TEST_SUITE_P(
    Memory, HostileTemplate,
    testing::Values("{{ 'a' * 1000000000 }}", "{{ [1] * 1000000000000 }}",
                    "{{ 'a' * 9223372036854775807 }}", "{{ 'ab' * 9223372036854775807 }}",
                    "{{ s.center(1000000000) }}", "{{ s.zfill(999999999999) }}",
                    "{{ s.ljust(9223372036854775807) }}", "{{ '%999999999d' % 1 }}",
                    "{{ '%*d' % (999999999, 1) }}", "{{ '{:999999999}'.format(1) }}",
                    "{{ s|indent(1000000000) }}", "{{ l|tojson(indent=1000000000) }}",
                    "{{ ('a' * 100000).replace('a', 'b' * 100000) }}",
                    "{{ ('a' * 100000).replace('', 'b' * 100000) }}",
                    "{{ ('b' * 100000).join('a' * 100000) }}", "{{ l|batch(1000000000, 1)|list }}",
                    "{{ l|slice(1000000000)|list }}", "{{ '\\t'.expandtabs(1000000000) }}",
                    "{% set ns = namespace(t='aaaa') %}{% for i in range(99) %}"
                    "{% set ns.t = ns.t ~ ns.t %}{% endfor %}",
                    "{% set ns = namespace(t=[1]) %}{% for i in range(99) %}"
                    "{% set ns.t = ns.t + ns.t %}{% endfor %}",
                    "{% set x = 'a' * 4000000 %}{% for i in range(99999) %}{{ x }}{% endfor %}",
                    "{% set x = 'a' * 4000000 %}{% for i in range(9999) %}{% set y = x ~ 'b' %}"
                    "{% endfor %}"));

INSTANTIATE_TEST_SUITE_P(
    Stack, HostileTemplate,
    testing::Values("{{ " + repeat("(", 100000), "{{ " + repeat("[", 100000),
                    "{{ " + repeat("{1:", 100000), "{{ " + repeat("- ", 100000) + "1 }}",
                    "{{ " + repeat("not ", 100000) + "1 }}", "{{ s" + repeat(".a", 100000) + " }}",
                    "{{ s" + repeat("|trim", 100000) + " }}",
                    "{{ s" + repeat("[0]", 100000) + " }}",
                    "{{ " + repeat("1 if 1 else ", 100000) + "1 }}", repeat("{% if 1 %}", 100000),
                    repeat("{% for a in l %}", 100000), "{% set " + repeat("(", 100000),
                    "{{ s" + repeat(" is eq(s", 100000), "{{ f(" + repeat("f(", 100000)));

TEST(JinjaLimits, DeepDataIsNotFollowed) {
  const std::string grow =
      "{% set ns = namespace(x=[]) %}{% for i in range(90000) %}{% set ns.x = [ns.x] %}{% endfor "
      "%}";
  EXPECT_EQ(code_of(grow + "{{ ns.x }}"), ErrorCode::kMalformed);
  EXPECT_EQ(code_of(grow + "{{ ns.x|tojson }}"), ErrorCode::kMalformed);
  EXPECT_EQ(code_of(grow + "{{ ns.x == [ns.x] }}"), ErrorCode::kMalformed);
  EXPECT_EQ(message_of(grow + "ok"), "ok");
}

TEST(JinjaLimits, CyclesAreFreed) {
  EXPECT_EQ(message_of("{% set ns = namespace() %}{% set ns.me = ns %}{% set ns.l = [ns] %}ok"),
            "ok");
  EXPECT_EQ(code_of("{% set ns = namespace() %}{% set ns.me = ns %}{{ ns }}"),
            ErrorCode::kMalformed);
}

TEST(JinjaLimits, LongChainsAreFine) {
  std::string sum = "{{ 0";
  for (int i = 0; i < 2000; ++i) sum += " + 1";
  EXPECT_EQ(message_of(sum + " }}"), "2000");
  std::string elifs = "{% if false %}";
  for (int i = 0; i < 2000; ++i) elifs += "{% elif false %}";
  EXPECT_EQ(message_of(elifs + "{% else %}x{% endif %}"), "x");
}

TEST(JinjaLimits, LongNeedlesAreSearchedInLinearTime) {
  EXPECT_EQ(message_of("{{ ('a' * 500000 ~ 'b') in 'a' * 2000000 }}"), "False");
  EXPECT_EQ(message_of("{{ ('a' * 2000000).count('a' * 500000) }}"), "4");
}

TEST(JinjaLimits, LimitsAreThoseOfTheCaller) {
  const std::string loop = "{% for i in range(100) %}{{ i }}{% endfor %}";
  EXPECT_EQ(code_of(loop, {.steps = 50}), ErrorCode::kMalformed);
  EXPECT_EQ(code_of(loop, {.output = 50}), ErrorCode::kMalformed);
  EXPECT_EQ(code_of("{% macro f(n) %}{{ f(n - 1) if n }}{% endmacro %}{{ f(30) }}", {.depth = 4}),
            ErrorCode::kMalformed);
}

TEST(JinjaErrors, UnknownThingsAreUnsupported) {
  EXPECT_EQ(code_of("{{ 1|nosuch }}"), ErrorCode::kUnsupported);
  EXPECT_EQ(code_of("{{ 1 is nosuch }}"), ErrorCode::kUnsupported);
  EXPECT_EQ(code_of("{% nosuch %}"), ErrorCode::kUnsupported);
  EXPECT_EQ(code_of("{% include 'x' %}"), ErrorCode::kUnsupported);
  EXPECT_EQ(code_of("{% import 'x' as y %}"), ErrorCode::kUnsupported);
  EXPECT_EQ(code_of("{% extends 'x' %}"), ErrorCode::kUnsupported);
}

TEST(JinjaErrors, MessagesNameTheLine) {
  EXPECT_EQ(message_of("a\nb\n{{ nosuch.x }}"), "line 3: 'nosuch' is undefined");
  EXPECT_EQ(message_of("\n{% if %}"), "line 2: expected an expression, got ''");
  EXPECT_EQ(message_of("\n\n{{ raise_exception('told so') }}"), "told so");
}

TEST(JinjaErrors, BrokenUtf8IsRefused) {
  EXPECT_EQ(code_of("{{ '\xff' }}"), ErrorCode::kMalformed);
  EXPECT_EQ(code_of("\xc3"), ErrorCode::kMalformed);
}

}  // namespace
}  // namespace halfbyte
