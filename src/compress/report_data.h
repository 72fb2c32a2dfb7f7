// What a report on a compression shows of its tensors: where the errors are, and where the bits
// went.
#pragma once

#include <string>
#include <vector>

#include "base/json.h"
#include "compress/report.h"
#include "model/model_files.h"

namespace halfbyte {

// One tensor as it was written, or those of a layer's experts together ("ffn_up_exps"), with the
// largest of their errors. `kind` is its name without block and suffix: "attn_q",
// "enc.attn_q".
struct TensorFacts {
  std::string name;
  std::string kind;
  int layer = -1;  // -1: in no block
  DType type = DType::f32;
  std::uint64_t elements = 0;
  std::uint64_t bytes = 0;
  double error = 0.0;  // as LayerReport has it
};

// Of all tensors of `written`, in its order; errors are those of `report`.
std::vector<TensorFacts> tensor_facts(const ModelFiles& written, const CompressReport& report);

// [{name, kind, layer (null), type, elements, bytes, error (null where it is not finite)}]
Json to_json(const std::vector<TensorFacts>& tensors);

}  // namespace halfbyte
