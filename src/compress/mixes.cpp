#include "compress/mixes.h"

#include <algorithm>
#include <iterator>
#include <string>

#include <fmt/format.h>

#include "base/error.h"

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
    // name, file_type, matrices of blocks, embedding, head, rules
    {"q4_0", 2, DType::q4_0, DType::q4_0, DType::q6_k, kQ4_0},
    {"q4_1", 3, DType::q4_1, DType::q4_1, DType::q6_k, {}},
    {"q5_0", 8, DType::q5_0, DType::q5_0, DType::q6_k, kQ5_0},
    {"q5_1", 9, DType::q5_1, DType::q5_1, DType::q6_k, {}},
    {"q8_0", 7, DType::q8_0, DType::q8_0, DType::q8_0, {}},
    {"f16", 1, DType::f16, DType::f16, DType::f16, {}},
    {"bf16", 32, DType::bf16, DType::bf16, DType::bf16, {}},
    {"f32", 0, DType::f32, DType::f32, DType::f32, {}},
    {"q2_k", 10, DType::q2_k, DType::q2_k, DType::q6_k, kQ2K},
    {"q2_k_s", 21, DType::q2_k, DType::q2_k, DType::q6_k, kQ2KS},
    {"q3_k_m", 12, DType::q3_k, DType::q3_k, DType::q6_k, kQ3KM},
    {"q3_k_s", 11, DType::q3_k, DType::q3_k, DType::q6_k, {}},
    {"q3_k_l", 13, DType::q3_k, DType::q3_k, DType::q6_k, kQ3KL},
    {"q4_k_m", 15, DType::q4_k, DType::q4_k, DType::q6_k, kMedium},
    {"q4_k_s", 14, DType::q4_k, DType::q4_k, DType::q6_k, kQ4KS},
    {"q5_k_m", 17, DType::q5_k, DType::q5_k, DType::q6_k, kMedium},
    {"q5_k_s", 16, DType::q5_k, DType::q5_k, DType::q6_k, {}},
    {"q6_k", 18, DType::q6_k, DType::q6_k, DType::q6_k, {}},
    {"iq4_nl", 25, DType::iq4_nl, DType::iq4_nl, DType::q6_k, kIq4},
    {"iq4_xs", 30, DType::iq4_xs, DType::iq4_xs, DType::q6_k, kIq4},
    {"w2g32", 0, DType::w2g32, DType::q8_0, DType::q8_0, {}},
    {"w2g64", 0, DType::w2g64, DType::q8_0, DType::q8_0, {}},
    {"w2g128", 0, DType::w2g128, DType::q8_0, DType::q8_0, {}},
    {"w3g32", 0, DType::w3g32, DType::q8_0, DType::q8_0, {}},
    {"w3g64", 0, DType::w3g64, DType::q8_0, DType::q8_0, {}},
    {"w3g128", 0, DType::w3g128, DType::q8_0, DType::q8_0, {}},
    {"w4g32", 0, DType::w4g32, DType::q8_0, DType::q8_0, {}},
    {"w4g64", 0, DType::w4g64, DType::q8_0, DType::q8_0, {}},
    {"w4g128", 0, DType::w4g128, DType::q8_0, DType::q8_0, {}},
    {"w8g32", 0, DType::w8g32, DType::q8_0, DType::q8_0, {}},
    {"w8g64", 0, DType::w8g64, DType::q8_0, DType::q8_0, {}},
    {"w8g128", 0, DType::w8g128, DType::q8_0, DType::q8_0, {}},
    {"w2grow", 0, DType::w2g128, DType::q8_0, DType::q8_0, {}, true},
    {"w3grow", 0, DType::w3g128, DType::q8_0, DType::q8_0, {}, true},
    {"w4grow", 0, DType::w4g128, DType::q8_0, DType::q8_0, {}, true},
    {"w8grow", 0, DType::w8g128, DType::q8_0, DType::q8_0, {}, true},
    {"w8a8", 0, DType::w8a8, DType::q8_0, DType::q8_0, {}},
    {"int8", 0, DType::int8, DType::q8_0, DType::q8_0, {}},
    {"w4a8", 0, DType::w4a8, DType::q8_0, DType::q8_0, {}},
};

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

}  // namespace halfbyte
