// Folders with quantized modules (AWQ, GPTQ, compressed-tensors): the tensors of each become one
// matrix of a type with zero points, or of f32 where its rows or groups fit none.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "formats/checkpoint.h"
#include "formats/group_layout.h"

namespace halfbyte {

struct QuantizedModule {
  std::string name;  // of the weight, as if it were not quantized: "...q_proj.weight"
  DType dtype = DType::f32;
  Shape shape;  // [outputs, inputs]
  std::vector<std::byte> rows;
  std::uint64_t stored = 0;  // bytes of its tensors
};

struct SplitTensors {
  std::vector<TensorView> plain;
  std::vector<QuantizedModule> modules;
};
// Repacks all modules: memory for them is taken. Fails with kMalformed where a module is not whole,
// with kUnsupported for what is not read (group_layout.h, int_quantized.h).
SplitTensors split_modules(const Checkpoint& checkpoint, const GroupScheme& scheme);

}  // namespace halfbyte
