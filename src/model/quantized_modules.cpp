#include "model/quantized_modules.h"

#include <map>
#include <optional>

#include <fmt/format.h>

#include "base/error.h"
#include "formats/checks.h"
#include "formats/int_quantized.h"

namespace halfbyte {

namespace {

// Module -> suffix -> tensor.
using Modules = std::map<std::string, std::map<std::string_view, const TensorView*>>;

// The suffix of a module's tensor, "" for others.
std::string_view int8_suffix(std::string_view name) {
  for (const std::string_view suffix : {kInt8Weight, kInt8Scale, kInt8Zero}) {
    if (name.ends_with(suffix)) return suffix;
  }
  return {};
}

const GroupTensor* part_of_module(const GroupLayout& layout, std::string_view name) {
  for (const GroupTensor& tensor : layout.tensors) {
    if (name.ends_with(tensor.suffix)) return &tensor;
  }
  return nullptr;
}

QuantizedModule read_module(const std::string& file, const GroupScheme& scheme,
                            const Modules::value_type& module) {
  const auto& [name, tensors] = module;
  const auto find = [&tensors = tensors](std::string_view suffix) {
    const auto found = tensors.find(suffix);
    return found == tensors.end() ? nullptr : found->second;
  };
  const GroupMatrix matrix = read_group_module(scheme, find, file, name);
  const GroupType* const type = type_of_groups(matrix.dims);
  if (type == nullptr) {
    fail_unsupported(file, fmt::format("module {}: groups of {}; halfbyte has those of 32, 64, 128 "
                                       "and multiples of them",
                                       in_quotes(name), matrix.dims.group));
  }
  return {
      name + ".weight", type->dtype, {matrix.dims.n, matrix.dims.k}, close_groups(matrix, *type)};
}

// Which of the tensors belong to modules: all where the module has codes or scales (norms have a
// weight, too).
bool is_int8_module(const Modules::mapped_type& tensors) {
  const auto weight = tensors.find(kInt8Weight);
  return tensors.size() > 1 || weight == tensors.end() || weight->second->dtype == DType::i8;
}

SplitTensors split_int8_modules(const Checkpoint& checkpoint) {
  SplitTensors split;
  Modules modules;
  for (const TensorView& view : checkpoint.tensors()) {
    const std::string_view suffix = int8_suffix(view.name);
    const std::string module = view.name.substr(0, view.name.size() - suffix.size());
    if (suffix.empty()) {
      split.plain.push_back(view);
    } else {
      modules[module].emplace(suffix, &view);
    }
  }
  for (const auto& [module, tensors] : modules) {
    if (!is_int8_module(tensors)) {
      split.plain.push_back(*tensors.begin()->second);
      continue;
    }
    const auto find = [&tensors = tensors](std::string_view suffix) {
      const auto found = tensors.find(suffix);
      return found == tensors.end() ? nullptr : found->second;
    };
    const Int8Module parts = {find(kInt8Weight), find(kInt8Scale), find(kInt8Zero)};
    std::vector<std::byte> rows = read_int8_module(parts, checkpoint.path(), module);
    split.modules.push_back(
        {parts.weight->name, DType::w8a8, parts.weight->shape, std::move(rows)});
    checkpoint.release(*parts.weight);
  }
  return split;
}

}  // namespace

SplitTensors split_modules(const Checkpoint& checkpoint, const GroupScheme& scheme) {
  if (scheme.int_quantized) return split_int8_modules(checkpoint);
  SplitTensors split;
  Modules modules;
  for (const TensorView& view : checkpoint.tensors()) {
    if (const GroupTensor* part = part_of_module(*scheme.layout, view.name)) {
      const std::string module = view.name.substr(0, view.name.size() - part->suffix.size());
      modules[module].emplace(part->suffix, &view);
    } else {
      split.plain.push_back(view);
    }
  }
  for (const auto& module : modules) {
    split.modules.push_back(read_module(checkpoint.path(), scheme, module));
    for (const auto& [suffix, view] : module.second) checkpoint.release(*view);
  }
  return split;
}

}  // namespace halfbyte
