#include "compress/target.h"

#include <fmt/format.h>

#include "base/error.h"
#include "compress/mixes.h"
#include "compress/types.h"
#include "model/config_gguf.h"
#include "tensor/group_types.h"

namespace halfbyte {

namespace {

// A bundle keeps the source's conventions: nothing is computed that need not be.
ModelSpec same_conventions(const ModelSpec& spec) {
  return spec;
}

bool holds_any(DType) {
  return true;
}
bool holds_published(DType dtype) {
  return info(dtype).ggml_type >= 0;
}
bool holds_floats(DType dtype) {
  return !is_quantized(dtype);
}
template <unsigned... kBits>
bool holds_groups(DType dtype) {
  const GroupType* const type = find_group_type(dtype);
  return type != nullptr && ((type->bits == kBits) || ...);
}

bool holds_compressed(DType dtype) {
  return dtype == DType::w8a8 || holds_groups<4, 8>(dtype);
}

// A folder with the layout of the same name.
constexpr Target folder_of_groups(std::string_view layout, bool symmetric, bool positive_zeros,
                                  bool (*holds)(DType)) {
  return {.name = layout,
          .conventions = published_spec,
          .folder = true,
          .published = true,
          .packs = false,
          .wide_vectors = false,
          .rope_table = false,
          .stacks = false,
          .holds = holds,
          .group_layout = layout,
          .symmetric = symmetric,
          .positive_zeros = positive_zeros,
          .open = open_safetensors_output};
}

constexpr Target kTargets[] = {
    {.name = "bundle",
     .conventions = same_conventions,
     .folder = true,
     .published = false,
     .packs = true,
     .wide_vectors = true,
     .rope_table = false,
     .stacks = false,
     .holds = holds_any,
     .group_layout = "",
     .symmetric = true,
     .positive_zeros = false,
     .open = open_bundle_output},
    {.name = "gguf",
     .conventions = gguf_spec,
     .folder = false,
     .published = false,
     .packs = false,
     .wide_vectors = true,
     .rope_table = true,
     .stacks = true,
     .holds = holds_published,
     .group_layout = "",
     .symmetric = true,
     .positive_zeros = false,
     .open = open_gguf_output},
    {.name = "safetensors",
     .conventions = published_spec,
     .folder = true,
     .published = true,
     .packs = false,
     .wide_vectors = false,
     .rope_table = false,
     .stacks = false,
     .holds = holds_floats,
     .group_layout = "",
     .symmetric = true,
     .positive_zeros = false,
     .open = open_safetensors_output},
    folder_of_groups("awq", false, false, holds_groups<4>),
    folder_of_groups("gptq", true, true, holds_groups<2, 3, 4, 8>),
    folder_of_groups("compressed-tensors", true, false, holds_compressed),
};

}  // namespace

std::span<const Target> all_targets() {
  return kTargets;
}

const Target& need_target(std::string_view name) {
  std::string known;
  for (const Target& target : kTargets) {
    if (target.name == name) return target;
    known += fmt::format(" {}", target.name);
  }
  fail_usage(fmt::format("'{}' is not a format that is written; choose from{}", name, known));
}

void refuse_type(DType dtype, std::string what) {
  if (info(dtype).row_header != 0) fail_unsupported("", std::move(what));
  fail_usage(std::move(what));
}

void check_holds(const Target& target, DType dtype) {
  if (target.holds(dtype)) return;
  std::string types;
  std::string formats;
  for (const OutputType& type : all_output_types()) {
    if (target.holds(type.matrix)) types += fmt::format(" {}", type.name);
  }
  for (const Target& other : kTargets) {
    if (other.holds(dtype)) formats += fmt::format(" {}", other.name);
  }
  refuse_type(dtype,
              fmt::format("{} cannot hold {}: choose a type from{}, or a format from{} (--to)",
                          target.name, name(dtype), types, formats));
}

void check_symmetric(const Target& target, const OutputType& type) {
  std::string formats;
  std::string types;
  for (const GroupType& group : all_group_types()) types += fmt::format(" {}", name(group.dtype));
  if (find_group_type(type.matrix) == nullptr) {
    fail_usage(
        fmt::format("{} has no zero points to keep in the middle (--symmetric): choose from{}",
                    type.name, types));
  }
  if (target.symmetric) return;
  for (const Target& other : kTargets) {
    if (other.symmetric && other.holds(type.matrix)) formats += fmt::format(" {}", other.name);
  }
  fail_usage(
      fmt::format("{} always has zero points: leave --symmetric out, or choose a format from{}",
                  target.name, formats));
}

void prescribe_types(const Target& target, TypePolicy& policy) {
  if (target.group_layout.empty()) return;
  policy.embedding = policy.head = policy.table = policy.vector = DType::f16;
}

}  // namespace halfbyte
