#include "model/quantized_modules.h"

#include <algorithm>
#include <map>
#include <span>

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

std::uint64_t bytes_of(const Parts& parts) {
  std::uint64_t bytes = 0;
  for (const auto& [suffix, view] : parts) bytes += view->data.size();
  return bytes;
}

std::vector<std::byte> bytes_of(const std::vector<float>& values) {
  const auto bytes = std::as_bytes(std::span(values));
  return {bytes.begin(), bytes.end()};
}

// Groups that no type has become floats, with the same values.
QuantizedModule read_module(const std::string& file, const GroupScheme& scheme,
                            const Modules::value_type& module) {
  const auto& [name, tensors] = module;
  const auto find = [&tensors = tensors](std::string_view suffix) {
    return find_part(tensors, suffix);
  };
  const GroupMatrix matrix = read_group_module(scheme, find, file, name);
  const Shape shape = {matrix.dims.n, matrix.dims.k};
  const GroupType* const type = type_of_groups(matrix.dims);
  if (type == nullptr) return {name + ".weight", DType::f32, shape, bytes_of(values_of(matrix))};
  return {name + ".weight", type->dtype, shape, close_groups(matrix, *type)};
}

// Rows that are no multiple of w8a8's block become floats.
QuantizedModule read_int8(const std::string& file, const std::string& name,
                          const Int8Module& tensors) {
  std::vector<std::byte> rows = read_int8_module(tensors, file, name);
  const Shape& shape = tensors.weight->shape;
  const DTypeInfo& type = info(DType::w8a8);
  if (shape[1] % type.block == 0) {
    return {tensors.weight->name, type.dtype, shape, std::move(rows)};
  }
  std::vector<float> values(shape[0] * shape[1]);
  for (std::uint64_t row = 0; row < shape[0]; ++row) {
    type.decode(&rows[row * (type.row_header + shape[1])], &values[row * shape[1]], shape[1]);
  }
  return {tensors.weight->name, DType::f32, shape, bytes_of(values)};
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
    split.modules.push_back(read_int8(checkpoint.path(), module, tensors));
    split.modules.back().stored = bytes_of(parts);
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
    split.modules.back().stored = bytes_of(module.second);
    for (const auto& [suffix, view] : module.second) checkpoint.release(*view);
  }
  return split;
}

}  // namespace halfbyte
