// ModelSpec -> config.json and generation_config.json, as published checkpoints have them.
#pragma once

#include "base/json.h"
#include "model/spec.h"
#include "tensor/dtype.h"

namespace halfbyte {

// What the description leaves to the tensors.
struct HfFacts {
  DType dtype = DType::f32;  // of most weights
  bool attention_bias = false;
  bool mlp_bias = false;
  Json quantization = nullptr;  // quantization_config of what is written
};

// `spec` is in published conventions. Where the model comes with a config.json of its own (`source`
// is an object), that is kept and only what changed is written over it. Otherwise both the new keys
// (rope_parameters, layer_types, dtype) and those that older readers need are written; fails with
// kUnsupported where no config of the family can say what the description says.
Json config_from_spec(const ModelSpec& spec, const HfFacts& facts, const Json& source);
Json generation_config_from_spec(const ModelSpec& spec);

}  // namespace halfbyte
