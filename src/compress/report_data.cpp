#include "compress/report_data.h"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <string_view>
#include <unordered_map>

#include "model/names.h"

namespace halfbyte {

namespace {

constexpr std::string_view kBlock = "blk.";
constexpr std::string_view kSuffix = ".weight";

// "enc.blk.3.attn_q.weight": layer 3, kind "enc.attn_q". Biases keep their suffix.
void place(std::string_view name, TensorFacts& facts) {
  if (name.ends_with(kSuffix)) name.remove_suffix(kSuffix.size());
  facts.kind = name;
  const std::size_t block = name.find(kBlock);
  if (block == std::string_view::npos) return;
  const char* const end = name.data() + name.size();
  const auto number = std::from_chars(name.data() + block + kBlock.size(), end, facts.layer);
  if (number.ec != std::errc{} || number.ptr == end) return;
  facts.kind = std::string(name.substr(0, block)) + std::string(number.ptr + 1, end);
}

}  // namespace

std::vector<TensorFacts> tensor_facts(const ModelFiles& written, const CompressReport& report) {
  std::unordered_map<std::string_view, double> errors;
  for (const LayerReport& layer : report.layers) errors.emplace(layer.name, layer.error);
  std::vector<TensorFacts> all;
  std::unordered_map<std::string, std::size_t> places;  // of experts together
  for (const ModelTensor& tensor : written.tensors()) {
    const std::string stack = stack_of_expert(tensor.name);
    const auto [at, fresh] = places.emplace(stack.empty() ? tensor.name : stack, all.size());
    if (fresh) all.emplace_back();
    TensorFacts& facts = all[at->second];
    facts.name = at->first;
    place(facts.name, facts);
    facts.type = tensor.dtype;
    facts.elements += element_count(tensor.shape).value();
    facts.bytes += tensor.data.size();
    const auto found = errors.find(tensor.name);
    if (found != errors.end()) {
      facts.error = fresh ? found->second : std::max(facts.error, found->second);
    }
  }
  return all;
}

Json to_json(const std::vector<TensorFacts>& tensors) {
  Json list = Json::array();
  for (const TensorFacts& facts : tensors) {
    list.push_back({{"name", facts.name},
                    {"kind", facts.kind},
                    {"layer", facts.layer >= 0 ? Json(facts.layer) : Json()},
                    {"type", name(facts.type)},
                    {"elements", facts.elements},
                    {"bytes", facts.bytes},
                    {"error", std::isfinite(facts.error) ? Json(facts.error) : Json()}});
  }
  return list;
}

}  // namespace halfbyte
