// Matrices that a folder stores as modules of several tensors: in groups with zero points
// (formats/group_layout.h) or with a scale a row (formats/int_quantized.h).
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/json.h"
#include "compress/job.h"
#include "compress/target.h"

namespace halfbyte {

struct ModuleTensor {
  std::string_view suffix;  // after the module's name
  DType dtype;
  Shape shape;
};

// The tensors of a job that is in_groups(target, job), in order. `rules`: of all jobs together.
std::vector<ModuleTensor> module_tensors(const Target& target, const TensorJob& job,
                                         ScaleRules rules);
// Their bytes, in the same order, from all encoded rows of the job.
std::vector<std::vector<std::byte>> module_bytes(const Target& target, const TensorJob& job,
                                                 ScaleRules rules, const std::byte* encoded);

// The bytes that the target stores any job in: repeated scales once where its layout has them so.
std::uint64_t stored_bytes(const Target& target, const TensorJob& job, ScaleRules rules);

// quantization_config of a folder whose matrices are of this type.
Json module_config(const Target& target, DType type, ScaleRules rules);

}  // namespace halfbyte
