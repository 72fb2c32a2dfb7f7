#include "model/quantized_modules.h"

#include <algorithm>
#include <map>
#include <optional>

#include <fmt/format.h>

#include "base/error.h"
#include "formats/checks.h"
#include "formats/int_quantized.h"

namespace halfbyte {

namespace {

// Module -> suffix -> tensor.
using Parts = std::map<std::string_view, const TensorView*>;
using Modules = std::map<std::string, Parts>;

const TensorView* find_part(const Parts& parts, std::string_view suffix) {
  const auto found = parts.find(suffix);
  return found == parts.end() ? nullptr : found->second;
}

// The tensors whose names end in one of the suffixes, by module; the others are plain.
Modules modules_of(const Checkpoint& checkpoint, const std::vector<std::string_view>& suffixes,
                   std::vector<TensorView>& plain) {
  Modules modules;
  for (const TensorView& view : checkpoint.tensors()) {
    const auto suffix = std::find_if(suffixes.begin(), suffixes.end(), [&](std::string_view end) {
      return view.name.ends_with(end);
    });
    if (suffix == suffixes.end()) {
      plain.push_back(view);
    } else {
      modules[view.name.substr(0, view.name.size() - suffix->size())].emplace(*suffix, &view);
    }
  }
  return modules;
}

QuantizedModule read_module(const std::string& file, const GroupScheme& scheme,
                            const Modules::value_type& module) {
  const auto& [name, tensors] = module;
  const auto find = [&tensors = tensors](std::string_view suffix) {
    return find_part(tensors, suffix);
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
bool is_int8_module(const Parts& parts) {
  const TensorView* const weight = find_part(parts, kInt8Weight);
  return parts.size() > 1 || weight == nullptr || weight->dtype == DType::i8;
}

SplitTensors split_int8_modules(const Checkpoint& checkpoint) {
  SplitTensors split;
  const Modules modules = modules_of(checkpoint, {kInt8Weight, kInt8Scale, kInt8Zero}, split.plain);
  for (const auto& [module, parts] : modules) {
    if (!is_int8_module(parts)) {
      split.plain.push_back(*parts.begin()->second);
      continue;
    }
    const Int8Module tensors = {find_part(parts, kInt8Weight), find_part(parts, kInt8Scale),
                                find_part(parts, kInt8Zero)};
    std::vector<std::byte> rows = read_int8_module(tensors, checkpoint.path(), module);
    split.modules.push_back(
        {tensors.weight->name, DType::w8a8, tensors.weight->shape, std::move(rows)});
    checkpoint.release(*tensors.weight);
  }
  return split;
}

}  // namespace

SplitTensors split_modules(const Checkpoint& checkpoint, const GroupScheme& scheme) {
  if (scheme.int_quantized) return split_int8_modules(checkpoint);
  SplitTensors split;
  std::vector<std::string_view> suffixes;
  for (const GroupTensor& tensor : scheme.layout->tensors) suffixes.push_back(tensor.suffix);
  for (const auto& module : modules_of(checkpoint, suffixes, split.plain)) {
    split.modules.push_back(read_module(checkpoint.path(), scheme, module));
    for (const auto& [suffix, view] : module.second) checkpoint.release(*view);
  }
  return split;
}

}  // namespace halfbyte
