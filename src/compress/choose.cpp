#include "compress/choose.h"

#include <algorithm>
#include <iterator>

#include <fmt/format.h>

#include "compress/methods.h"
#include "compress/mixes.h"
#include "model/plan.h"

namespace halfbyte {

namespace {

constexpr CpuFeatures kAnyCpu = {};
constexpr CpuFeatures kVnni = {static_cast<std::uint32_t>(CpuFeature::avx512vnni)};

// The first row whose type the target holds, whose block divides all rows of matrices, and whose
// features the CPU has. docs/compression.md has the figures behind the order.
struct TypeRule {
  std::string_view type;
  CpuFeatures needs;
  std::string_view why;
};
constexpr TypeRule kTypeRules[] = {
    {"q4_k_m", kAnyCpu, "the least loss near 4.5 bits, as fast as q4_0"},
    {"iq4_nl", kVnni,
     "rows are no multiples of 256, and its table costs AVX-512 nothing: less loss than q4_0"},
    {"q4_0", kAnyCpu, "rows are no multiples of 256, and it runs fastest on this CPU"},
    {"w4g128", kAnyCpu, "what this format holds, in the groups that most readers expect"},
    {"w4g64", kAnyCpu, "what this format holds; rows are no multiples of 128"},
    {"w4g32", kAnyCpu, "what this format holds; rows are no multiples of 64"},
    {"q4_0", kAnyCpu, "the simplest type of 4 bits"},
};

// The method with a text and without one; the first row is for all types that have none.
struct MethodRule {
  std::string_view type;
  std::string_view with_text;
  std::string_view without;
};
constexpr MethodRule kMethodRules[] = {{"", kBestMethod, "rtn"},
                                       {"w8a8", "smooth", "rtn"},
                                       {"int8", "int8", "int8"},
                                       {"w4a8", "awq", "rtn"}};

const MethodRule& method_rule(std::string_view type) {
  const auto* const found =
      std::find_if(std::begin(kMethodRules), std::end(kMethodRules),
                   [type](const MethodRule& rule) { return rule.type == type; });
  return found != std::end(kMethodRules) ? *found : *std::begin(kMethodRules);
}

bool divides_rows(const Plan& plan, DType type) {
  return std::all_of(plan.weights.begin(), plan.weights.end(), [type](const WeightRef& ref) {
    return ref.kind != WeightKind::matrix || ref.k % info(type).block == 0;
  });
}

const TypeRule& rule_for(const ChoiceFacts& facts) {
  const Plan plan = make_plan(facts.spec);
  const auto* const found =
      std::find_if(std::begin(kTypeRules), std::end(kTypeRules), [&](const TypeRule& rule) {
        const DType type = need_output_type(rule.type).matrix;
        return facts.target.holds(type) && facts.features.includes(rule.needs) &&
               divides_rows(plan, type);
      });
  return found != std::end(kTypeRules) ? *found : *std::prev(std::end(kTypeRules));
}

}  // namespace

Choice choose(const ChoiceFacts& facts, std::string_view type, std::string_view method) {
  Choice choice{std::string(type), std::string(method), ""};
  if (type.empty() && !method.empty()) choice.type = parse_recipe(method).solver->type;
  if (choice.type.empty()) {
    const TypeRule& rule = rule_for(facts);
    choice.type = rule.type;
    choice.why = fmt::format("type {}: {}", rule.type, rule.why);
  }
  if (!method.empty()) return choice;
  const MethodRule& rule = method_rule(choice.type);
  choice.method = facts.text ? rule.with_text : rule.without;
  if (!facts.text && !type.empty()) return choice;
  choice.why += fmt::format(
      "{}method {}: {}", choice.why.empty() ? "" : "; ", choice.method,
      facts.text ? "there is a text" : "there is no text (--calib TEXT --method best loses less)");
  return choice;
}

}  // namespace halfbyte
