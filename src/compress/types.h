// The table of types that a model can be written in, and the choice of a type for each tensor.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <unordered_map>

#include "tensor/dtype.h"

namespace halfbyte {

// What a tensor is to the model; its type is chosen by this.
enum class Role : std::uint8_t {
  embedding,  // token embeddings, which are the head too where it is tied
  head,       // an output matrix of its own
  matrix,     // matrices of blocks
  table,      // position and token type tables
  vector,     // norms, biases, relative position biases
};

// One row of the table: what `--type NAME` means. Norms, biases and small tables are f32 always.
struct OutputType {
  std::string_view name;
  DType matrix;
  // Where nothing else is asked for. Below 8 bits the embedding and the head get 8: they are looked
  // up or multiplied once a token, and their rounding is what hurts small models most.
  DType embedding;
  DType head;
};

std::span<const OutputType> all_output_types();
const OutputType* find_output_type(std::string_view name);  // nullptr if unknown
// As find_output_type, for one tensor's type; fails with kUsage listing the known names.
DType need_weight_type(std::string_view name);
// The type for rows of `columns`: where they are no multiple of its block, the next smaller groups
// of as many bits, else f16.
DType fitting_type(DType type, std::uint64_t columns);

// The type for each tensor, by our name where it is named, else by role; nullopt keeps the
// source's.
struct TypePolicy {
  std::optional<DType> embedding;
  std::optional<DType> head;
  std::optional<DType> matrix;
  std::optional<DType> table;
  std::optional<DType> vector;
  std::unordered_map<std::string, DType> named = {};

  std::optional<DType> of(Role role, const std::string& name) const;
};

// general.file_type of a GGUF file whose matrices are mostly of this type (llama.cpp's ids).
std::uint32_t gguf_file_type(DType dtype);

}  // namespace halfbyte
