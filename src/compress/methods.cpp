#include "compress/methods.h"

#include <algorithm>

#include <fmt/format.h>

#include "base/error.h"
#include "compress/awq.h"
#include "compress/gptq_method.h"
#include "compress/refine/refine.h"
#include "compress/rtn.h"
#include "compress/smooth.h"

namespace halfbyte {

namespace {

constexpr Method kMethods[] = {
    {.name = "rtn",
     .summary = "round each weight to the nearest level of its block; with a text, weighted by "
                "the inputs",
     .encode = rtn_encode,
     .solve = rtn_solve},
    {.name = "awq",
     .summary = "scale channels so that rounding their weights hurts the outputs least (AWQ)",
     .transform = awq_transform,
     .gram = true},
    {.name = "smooth",
     .summary = "move outliers of norms' outputs into the weights behind them (SmoothQuant)",
     .transform = smooth_transform},
    {.name = "gptq",
     .summary = "choose codes one input after the other, each making up for the errors before it",
     .solve = gptq_solve,
     .gram = true},
    {.name = "int8",
     .summary = "8-bit weights and inputs but for the inputs' outliers, which stay as they are "
                "(LLM.int8())",
     .encode = rtn_encode,
     .solve = rtn_solve,
     .type = "int8"},
    {.name = "refine",
     .summary = "after a solver: descend on the error of whole blocks (AutoRound's SignRound)",
     .refine = refine_block},
};

constexpr std::string_view kBest = "awq,gptq,refine";
constexpr std::string_view kDefaultType = "q4_0";

const Method& need_method(std::string_view name) {
  const Method* method = find_method(name);
  if (method != nullptr) return *method;
  std::string known;
  for (const Method& row : all_methods()) known += fmt::format(" {}", row.name);
  fail_usage(fmt::format("'{}' is not a known method; choose from{}", name, known));
}

// Transforms come before the solver, refinements after it (or alone, after the default one).
void add_method(Recipe& recipe, const Method& method) {
  const Method* const last = recipe.refiner != nullptr ? recipe.refiner : recipe.solver;
  if (last != nullptr && (last->refine != nullptr || method.refine == nullptr)) {
    fail_usage(fmt::format("'{}' cannot come after '{}'", method.name, last->name));
  }
  if (method.transform != nullptr) {
    recipe.transforms.push_back(&method);
  } else if (method.refine != nullptr) {
    recipe.refiner = &method;
  } else {
    recipe.solver = &method;
  }
}

}  // namespace

std::span<const Method> all_methods() {
  return kMethods;
}

const Method* find_method(std::string_view name) {
  const auto* found = std::find_if(std::begin(kMethods), std::end(kMethods),
                                   [&](const Method& method) { return method.name == name; });
  return found == std::end(kMethods) ? nullptr : found;
}

bool Recipe::needs_gram() const {
  return solver->gram || std::any_of(transforms.begin(), transforms.end(),
                                     [](const Method* method) { return method->gram; });
}

bool Recipe::only_rounds() const {
  return transforms.empty() && solver->encode != nullptr;
}

const Method& Recipe::head_solver(DType dtype) const {
  constexpr std::size_t kManyBits = 6;
  const DTypeInfo& type = info(dtype);
  const bool many = std::size_t{type.block_bytes} * 8 >= kManyBits * type.block;
  return many ? need_method("rtn") : *solver;
}

std::string Recipe::names() const {
  std::string all;
  for (const Method* method : transforms) all += fmt::format("{},", method->name);
  all += solver->name;
  return refiner == nullptr ? all : fmt::format("{},{}", all, refiner->name);
}

std::string Recipe::type(std::string_view asked) const {
  if (asked.empty()) return std::string(solver->type.empty() ? kDefaultType : solver->type);
  if (!solver->type.empty() && asked != solver->type) {
    fail_usage(fmt::format("method '{}' writes {}, not {}", names(), solver->type, asked));
  }
  return std::string(asked);
}

Recipe parse_recipe(std::string_view names) {
  if (names == kBestMethod) names = kBest;
  Recipe recipe;
  while (!names.empty()) {
    const std::size_t end = std::min(names.find(','), names.size());
    add_method(recipe, need_method(names.substr(0, end)));
    names.remove_prefix(std::min(end + 1, names.size()));
  }
  if (recipe.solver == nullptr) recipe.solver = &need_method("rtn");
  return recipe;
}

}  // namespace halfbyte
