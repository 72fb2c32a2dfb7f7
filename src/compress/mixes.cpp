#include "compress/mixes.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <optional>
#include <string>
#include <unordered_map>
#include <vector>

#include <fmt/format.h>

#include "base/error.h"
#include "model/families.h"
#include "model/plan.h"

namespace halfbyte {

namespace {

bool everywhere(const MixPlace&) {
  return true;
}
bool grouped(const MixPlace& place) {
  return place.grouped;
}
bool first_two(const MixPlace& place) {
  return place.index < 2;
}
bool first_four(const MixPlace& place) {
  return place.index < 4;
}
bool first_sixteenth(const MixPlace& place) {
  return place.index < place.count / 16;
}
bool first_eighth(const MixPlace& place) {
  return place.index < place.count / 8;
}
bool first_eighth_plain(const MixPlace& place) {
  return !place.importance && first_eighth(place);
}
bool first_eighth_weighed(const MixPlace& place) {
  return place.importance && first_eighth(place);
}
// The first and the last eighth, and every third between them.
bool ends_and_thirds(const MixPlace& place) {
  return first_eighth(place) || place.index >= 7 * place.count / 8 ||
         (place.index - place.count / 8) % 3 == 2;
}

using enum MixPart;

constexpr MixRule kQ4_0[] = {{ffn_down, first_eighth_weighed, DType::q4_1}};
constexpr MixRule kQ5_0[] = {{ffn_down, first_eighth_weighed, DType::q5_1}};
constexpr MixRule kQ2K[] = {{attn_v, grouped, DType::q4_k},
                            {attn_v, everywhere, DType::q3_k},
                            {attn_out, everywhere, DType::q3_k},
                            {ffn_down, everywhere, DType::q3_k}};
constexpr MixRule kQ2KS[] = {{attn_v, grouped, DType::q4_k}, {ffn_down, first_eighth, DType::q4_k}};
constexpr MixRule kQ3KM[] = {{attn_v, first_two, DType::q5_k},
                             {attn_v, everywhere, DType::q4_k},
                             {attn_out, everywhere, DType::q4_k},
                             {ffn_down, first_sixteenth, DType::q5_k},
                             {ffn_down, everywhere, DType::q4_k}};
constexpr MixRule kQ3KL[] = {{attn_v, everywhere, DType::q5_k},
                             {attn_out, everywhere, DType::q5_k},
                             {ffn_down, everywhere, DType::q5_k}};
constexpr MixRule kQ4KS[] = {{attn_v, first_four, DType::q5_k},
                             {ffn_down, first_eighth, DType::q5_k}};
constexpr MixRule kMedium[] = {{attn_v, ends_and_thirds, DType::q6_k},
                               {ffn_down, ends_and_thirds, DType::q6_k}};
constexpr MixRule kIq4[] = {{attn_v, grouped, DType::q5_k},
                            {ffn_down, first_eighth_plain, DType::q5_k}};

// Of the rows with one type for matrices, the first is what files of that type mostly are.
constexpr OutputType kTypes[] = {
    // name, file_type, matrices of blocks, head, rules
    {"q4_0", 2, DType::q4_0, DType::q6_k, kQ4_0},
    {"q4_1", 3, DType::q4_1, DType::q6_k, {}},
    {"q5_0", 8, DType::q5_0, DType::q6_k, kQ5_0},
    {"q5_1", 9, DType::q5_1, DType::q6_k, {}},
    {"q8_0", 7, DType::q8_0, DType::q8_0, {}},
    {"f16", 1, DType::f16, DType::f16, {}},
    {"bf16", 32, DType::bf16, DType::bf16, {}},
    {"f32", 0, DType::f32, DType::f32, {}},
    {"q2_k", 10, DType::q2_k, DType::q6_k, kQ2K},
    {"q2_k_s", 21, DType::q2_k, DType::q6_k, kQ2KS},
    {"q3_k_m", 12, DType::q3_k, DType::q6_k, kQ3KM},
    {"q3_k_s", 11, DType::q3_k, DType::q6_k, {}},
    {"q3_k_l", 13, DType::q3_k, DType::q6_k, kQ3KL},
    {"q4_k_m", 15, DType::q4_k, DType::q6_k, kMedium},
    {"q4_k_s", 14, DType::q4_k, DType::q6_k, kQ4KS},
    {"q5_k_m", 17, DType::q5_k, DType::q6_k, kMedium},
    {"q5_k_s", 16, DType::q5_k, DType::q6_k, {}},
    {"q6_k", 18, DType::q6_k, DType::q6_k, {}},
    {"iq4_nl", 25, DType::iq4_nl, DType::q6_k, kIq4},
    {"iq4_xs", 30, DType::iq4_xs, DType::q6_k, kIq4},
};

// A fused qkv is as precious as the v in it.
struct PartName {
  std::string_view suffix;
  MixPart part;
};
constexpr PartName kParts[] = {{"attn_v.weight", attn_v},
                               {"attn_qkv.weight", attn_v},
                               {"attn_output.weight", attn_out},
                               {"ffn_down.weight", ffn_down}};
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

struct Matrix {
  MixPart part;
  int layer;
  std::string name;
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
  for (const WeightRef& ref : make_plan(spec).weights) {
    const std::optional<MixPart> part = part_of(ref.name);
    if (part) matrices.push_back({*part, layer_of(ref.name), ref.name});
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
    if (chosen != type.matrix) types.emplace(matrix.name, chosen);
  }
  return types;
}

}  // namespace

std::span<const OutputType> all_output_types() {
  return kTypes;
}

const OutputType* find_output_type(std::string_view name) {
  const auto* found = std::find_if(std::begin(kTypes), std::end(kTypes),
                                   [&](const OutputType& type) { return type.name == name; });
  return found == std::end(kTypes) ? nullptr : found;
}

const OutputType& need_output_type(std::string_view name) {
  if (const OutputType* type = find_output_type(name)) return *type;
  std::string known;
  for (const OutputType& type : kTypes) known += fmt::format(" {}", type.name);
  fail_usage(
      fmt::format("'{}' is not a type that a model can be written in; choose from{}", name, known));
}

std::uint32_t gguf_file_type(DType dtype) {
  for (const OutputType& type : kTypes) {
    if (type.matrix == dtype) return type.file_type;
  }
  return 0;
}

TypePolicy mix_policy(const OutputType& type, const ModelSpec& spec, bool importance) {
  // An embedding that is the head has its type, and so has one of a model without a head.
  const bool own_head = spec.has_head && !spec.tied_head;
  TypePolicy policy;
  policy.embedding = fitting_type(own_head ? type.matrix : type.head, spec.width);
  policy.head = fitting_type(type.head, spec.width);
  policy.matrix = type.matrix;
  policy.named = exceptions(type, spec, importance);
  policy.file_type = type.file_type;
  return policy;
}

}  // namespace halfbyte
