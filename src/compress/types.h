// What tensors are to a model, and the type that each is written in.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>

#include "tensor/group_types.h"

namespace halfbyte {

// What a tensor is to the model; its type is chosen by this.
enum class Role : std::uint8_t {
  embedding,  // token embeddings, which are the head too where it is tied
  head,       // an output matrix of its own
  matrix,     // matrices of blocks
  table,      // position and token type tables; routers
  vector,     // norms, biases, relative position biases
};

// The type of that name; fails with kUsage listing the names of those that can be written.
DType need_weight_type(std::string_view name);
// The type for rows of `columns` elements where `type` was chosen: itself if they are whole blocks,
// else what llama.cpp writes instead, with a block of 32, or the next smaller groups of as many
// bits; else f16.
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
  std::optional<std::uint32_t> file_type = {};  // of a GGUF; nullopt: that of most weights
  ScaleRules rules = {};                        // for all that have groups

  std::optional<DType> of(Role role, const std::string& name) const;
};

}  // namespace halfbyte
