// Tensor names: published <-> ours, by a family's rules.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "model/families.h"

namespace halfbyte {

struct MappedName {
  std::string name;         // ours; "" = known and not used
  bool transposed = false;  // stored [inputs, outputs]
};

// nullopt where no rule of the family knows the tensor.
std::optional<MappedName> map_published_name(const Family& family, std::string_view published);

// The published name of one of our tensors (the first rule that gives it), prefix included where
// the family's checkpoints carry one. nullopt where no rule gives it.
std::optional<MappedName> published_name(const Family& family, std::string_view name, bool gated);

// GGUF files hold the matrices of a layer's experts as one tensor [experts, outputs, inputs]: the
// name of the one with "blk.3.ffn_up.5.weight" is "blk.3.ffn_up_exps.weight"; "" for all else.
std::string stack_of_expert(std::string_view name);
// The way back; nullopt where `stack` is no such tensor.
std::optional<std::string> expert_of_stack(std::string_view stack, std::uint64_t expert);

}  // namespace halfbyte
