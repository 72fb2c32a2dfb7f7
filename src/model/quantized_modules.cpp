#include "model/quantized_modules.h"

#include <map>
#include <optional>

#include <fmt/format.h>

#include "base/error.h"
#include "formats/checks.h"

namespace halfbyte {

namespace {

// Module -> suffix -> tensor.
using Modules = std::map<std::string, std::map<std::string_view, const TensorView*>>;

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

}  // namespace

SplitTensors split_modules(const Checkpoint& checkpoint, const GroupScheme& scheme) {
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
