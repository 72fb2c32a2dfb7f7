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
constexpr Target folder_of_groups(std::string_view layout, bool (*holds)(DType)) {
  return {.name = layout,
          .conventions = published_spec,
          .folder = true,
          .published = true,
          .packs = false,
          .wide_vectors = false,
          .rope_table = false,
          .holds = holds,
          .group_layout = layout,
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
     .holds = holds_any,
     .group_layout = "",
     .open = open_bundle_output},
    {.name = "gguf",
     .conventions = gguf_spec,
     .folder = false,
     .published = false,
     .packs = false,
     .wide_vectors = true,
     .rope_table = true,
     .holds = holds_published,
     .group_layout = "",
     .open = open_gguf_output},
    {.name = "safetensors",
     .conventions = published_spec,
     .folder = true,
     .published = true,
     .packs = false,
     .wide_vectors = false,
     .rope_table = false,
     .holds = holds_floats,
     .group_layout = "",
     .open = open_safetensors_output},
    folder_of_groups("awq", holds_groups<4>),
    folder_of_groups("gptq", holds_groups<2, 3, 4, 8>),
    folder_of_groups("compressed-tensors", holds_compressed),
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

void prescribe_types(const Target& target, TypePolicy& policy) {
  if (target.group_layout.empty()) return;
  policy.embedding = policy.head = policy.table = policy.vector = DType::f16;
}

}  // namespace halfbyte
