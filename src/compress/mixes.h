// The table of types that a model can be written in, and the choice of a type for each matrix.
//
// The choices are those of llama.cpp's llama-quantize, so that a file of a type holds the same
// types as its, and has the same size.
#pragma once

#include <cstdint>
#include <span>
#include <string_view>

#include "compress/types.h"
#include "model/spec.h"
#include "tensor/dtype.h"

namespace halfbyte {

// The parts of a block that rules are for. What comes out of them is added to the residual with the
// least averaging, so rounding hurts most there.
enum class MixPart : std::uint8_t { attn_v, attn_out, ffn_down };

// Where a matrix stands among those of its part, and in what model.
struct MixPlace {
  int index = 0;
  int count = 0;
  bool grouped = false;     // four heads or more share a key
  bool importance = false;  // errors are weighed by an importance matrix
};

struct MixRule {
  MixPart part;
  bool (*holds)(const MixPlace& place);
  DType type;
};

// One row of the table: what `--type NAME` means. Norms, biases and small tables are f32 always.
struct OutputType {
  std::string_view name;
  std::uint32_t file_type;         // general.file_type: llama.cpp's id
  DType matrix;                    // matrices of blocks that no rule is for
  DType embedding;                 // a token embedding that is not the head
  DType head;                      // the output matrix, or an embedding that is the head, too
  std::span<const MixRule> rules;  // the first that holds decides
  bool by_row = false;             // groups of a row share their scale (ScaleRules)
};

std::span<const OutputType> all_output_types();
const OutputType* find_output_type(std::string_view name);  // nullptr if unknown
// As find_output_type; fails with kUsage listing the known names.
const OutputType& need_output_type(std::string_view name);

// general.file_type of a GGUF file whose matrices are mostly of this type.
std::uint32_t gguf_file_type(DType dtype);

// The types of a model's tensors, vectors and small tables aside. The embedding and the head fit
// their rows; matrices of blocks that do not are for fitting_type. `importance`: whether errors are
// weighed by an importance matrix, for which some types choose otherwise. There are no rules for
// mixtures of experts, which halfbyte does not run.
TypePolicy mix_policy(const OutputType& type, const ModelSpec& spec, bool importance);

}  // namespace halfbyte
