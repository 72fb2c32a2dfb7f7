// The rules of a mix, applied to the matrices of a model.
#include <algorithm>
#include <array>
#include <charconv>
#include <optional>
#include <string>
#include <unordered_map>
#include <vector>

#include "compress/mixes.h"
#include "model/families.h"
#include "model/names.h"
#include "model/plan.h"

namespace halfbyte {

namespace {

using enum MixPart;

// A fused qkv is as precious as the v in it.
struct PartName {
  std::string_view suffix;
  MixPart part;
};
constexpr PartName kParts[] = {{"attn_v.weight", attn_v},
                               {"attn_qkv.weight", attn_v},
                               {"attn_output.weight", attn_out},
                               {"ffn_down.weight", ffn_down},
                               {"ffn_down_exps.weight", ffn_down}};
constexpr std::size_t kPartCount = 3;

std::optional<MixPart> part_of(std::string_view name) {
  for (const PartName& row : kParts) {
    if (name.ends_with(row.suffix)) return row.part;
  }
  return std::nullopt;
}

// Models so deep get more bits for v, which is a small part of them. llama.cpp knows them by
// architecture and depth, as "70B"; Llama's own without shared keys are not meant.
struct DeepModel {
  std::string_view arch;
  std::size_t layers;
  bool shared_only;
};
constexpr DeepModel kDeepModels[] = {{"llama", 80, true}, {"qwen2", 80, false}};

bool is_deep(const ModelSpec& spec) {
  const Family* family = find_family(spec.family);
  const StackSpec& stack = spec.main_stack();
  return family != nullptr &&
         std::any_of(std::begin(kDeepModels), std::end(kDeepModels), [&](const DeepModel& row) {
           return row.arch == family->gguf_archs.front() && row.layers == stack.layers.size() &&
                  (!row.shared_only || stack.heads != stack.kv_heads);
         });
}

DType with_more_bits(DType type) {
  return type == DType::q3_k || type == DType::q4_k ? DType::q5_k : type;
}

// Attention is so small a part of models with eight experts that llama.cpp gives it more bits in
// all types; its output in some.
constexpr std::uint32_t kFewExperts = 8;
constexpr std::string_view kWideOutputs[] = {"q2_k",   "q3_k_s", "q3_k_m", "q4_k_s",
                                             "q4_k_m", "iq4_nl", "iq4_xs"};

std::optional<DType> type_beside_experts(const OutputType& type, std::string_view name) {
  if (name.ends_with("attn_v.weight") || name.ends_with("attn_k.weight")) return DType::q8_0;
  if (!name.ends_with("attn_output.weight")) return std::nullopt;
  const bool wide = std::find(std::begin(kWideOutputs), std::end(kWideOutputs), type.name) !=
                    std::end(kWideOutputs);
  return wide ? DType::q5_k : type.matrix;
}

bool has_few_experts(const ModelSpec& spec) {
  const auto& experts = spec.main_stack().experts;
  return experts && experts->count == kFewExperts;
}

// A layer's experts are one matrix as far as types go.
struct Matrix {
  MixPart part;
  int layer;
  std::string name;
  std::vector<std::string> weights;
};

// -1 unless the model has one stack only.
int layer_of(std::string_view name) {
  constexpr std::string_view kPrefix = "blk.";
  int layer = -1;
  if (name.starts_with(kPrefix)) {
    std::from_chars(name.data() + kPrefix.size(), name.data() + name.size(), layer);
  }
  return layer;
}

// The matrices that rules are for, in the order that llama.cpp counts them in: by layer, those of
// two stacks by name alone.
std::vector<Matrix> counted_matrices(const ModelSpec& spec) {
  std::vector<Matrix> matrices;
  std::unordered_map<std::string, std::size_t> places;
  for (const WeightRef& ref : make_plan(spec).weights) {
    const std::string stack = stack_of_expert(ref.name);
    const std::string& name = stack.empty() ? ref.name : stack;
    const std::optional<MixPart> part = part_of(name);
    if (!part) continue;
    const auto [place, fresh] = places.emplace(name, matrices.size());
    if (fresh) matrices.push_back({*part, layer_of(name), name, {}});
    matrices[place->second].weights.push_back(ref.name);
  }
  std::sort(matrices.begin(), matrices.end(), [](const Matrix& a, const Matrix& b) {
    return a.layer != b.layer ? a.layer < b.layer : a.name < b.name;
  });
  return matrices;
}

std::size_t at(MixPart part) {
  return static_cast<std::size_t>(part);
}

// How many of each part llama.cpp takes there to be: v are counted, of the others it is one a
// layer, and of the encoder's layers where there are two stacks.
std::array<int, kPartCount> counts_of(const std::vector<Matrix>& matrices, const ModelSpec& spec) {
  const StackSpec& first = spec.encoder ? *spec.encoder : *spec.decoder;
  std::array<int, kPartCount> counts{};
  counts.fill(static_cast<int>(first.layers.size()));
  counts[at(attn_v)] =
      static_cast<int>(std::count_if(matrices.begin(), matrices.end(),
                                     [](const Matrix& matrix) { return matrix.part == attn_v; }));
  return counts;
}

DType type_at(const OutputType& type, MixPart part, const MixPlace& place) {
  for (const MixRule& rule : type.rules) {
    if (rule.part == part && rule.holds(place)) return rule.type;
  }
  return type.matrix;
}

// The matrices of blocks that do not get type.matrix.
std::unordered_map<std::string, DType> exceptions(const OutputType& type, const ModelSpec& spec,
                                                  bool importance) {
  const std::vector<Matrix> matrices = counted_matrices(spec);
  const std::array<int, kPartCount> counts = counts_of(matrices, spec);
  const bool grouped = spec.main_stack().heads / spec.main_stack().kv_heads >= 4;
  const bool deep = is_deep(spec);
  std::array<int, kPartCount> seen{};
  std::unordered_map<std::string, DType> types;
  for (const Matrix& matrix : matrices) {
    const std::size_t part = at(matrix.part);
    DType chosen = type_at(type, matrix.part, {seen[part]++, counts[part], grouped, importance});
    if (deep && matrix.part == attn_v) chosen = with_more_bits(chosen);
    if (chosen == type.matrix) continue;
    for (const std::string& weight : matrix.weights) types.emplace(weight, chosen);
  }
  const bool of_llama_cpp = is_quantized(type.matrix) && info(type.matrix).ggml_type >= 0;
  if (!has_few_experts(spec) || !of_llama_cpp) return types;
  for (const WeightRef& ref : make_plan(spec).weights) {
    if (const auto chosen = type_beside_experts(type, ref.name)) types[ref.name] = *chosen;
  }
  return types;
}

}  // namespace

TypePolicy mix_policy(const OutputType& type, const ModelSpec& spec, bool importance) {
  // An embedding that is the head has its type, and so has one of a model without a head.
  const bool own_head = spec.has_head && !spec.tied_head;
  TypePolicy policy;
  policy.embedding = fitting_type(own_head ? type.embedding : type.head, spec.width);
  policy.head = fitting_type(type.head, spec.width);
  policy.matrix = type.matrix;
  policy.named = exceptions(type, spec, importance);
  policy.file_type = type.file_type;
  return policy;
}

}  // namespace halfbyte
