// GGUF metadata <-> ModelSpec.
#pragma once

#include "formats/metadata.h"
#include "model/families.h"
#include "model/spec.h"

namespace halfbyte {

// What metadata alone does not say, taken from the tensors of the file.
struct GgufFacts {
  std::uint64_t vocab = 0;                  // rows of token_embd
  std::uint64_t positions = 0;              // rows of position_embd, 0 without
  std::uint64_t token_types = 0;            // rows of token_types, 0 without
  bool has_output = false;                  // a head of its own
  bool gated = false;                       // block 0 has ffn_gate
  std::vector<float> rope_divisors;         // rope_freqs.weight
  std::vector<std::uint32_t> dense_layers;  // without a router
};

// Fails with kMalformed (a key is missing or wrong) or kUnsupported (the architecture, by name).
ModelSpec spec_from_gguf(const Metadata& metadata, const GgufFacts& facts);

// Writes general.architecture and <arch>.* as llama.cpp reads them, and halfbyte.model, the whole
// description, which spec_from_gguf prefers. `spec` must be in GGUF's conventions (see gguf_spec).
void spec_to_gguf(const ModelSpec& spec, Metadata& metadata);

// The description of the same model as a GGUF file stores it: q and k rows interleaved where the
// family's files have them so, norm offsets added to the weights.
ModelSpec gguf_spec(const ModelSpec& spec);
// And as published checkpoints store it.
ModelSpec published_spec(const ModelSpec& spec);

}  // namespace halfbyte
