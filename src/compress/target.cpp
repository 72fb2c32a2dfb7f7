#include "compress/target.h"

#include <fmt/format.h>

#include "base/error.h"
#include "model/config_gguf.h"

namespace halfbyte {

namespace {

// A bundle keeps the source's conventions: nothing is computed that need not be.
ModelSpec same_conventions(const ModelSpec& spec) {
  return spec;
}

constexpr Target kTargets[] = {
    {.name = "bundle",
     .conventions = same_conventions,
     .folder = true,
     .published = false,
     .packs = true,
     .block_types = true,
     .wide_vectors = true,
     .rope_table = false,
     .open = open_bundle_output},
    {.name = "gguf",
     .conventions = gguf_spec,
     .folder = false,
     .published = false,
     .packs = false,
     .block_types = true,
     .wide_vectors = true,
     .rope_table = true,
     .open = open_gguf_output},
    {.name = "safetensors",
     .conventions = published_spec,
     .folder = true,
     .published = true,
     .packs = false,
     .block_types = false,
     .wide_vectors = false,
     .rope_table = false,
     .open = open_safetensors_output},
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

}  // namespace halfbyte
