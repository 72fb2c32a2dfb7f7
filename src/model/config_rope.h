// Rotary embeddings and sliding windows of a config.json, in both of its forms:
//   old: rope_theta, rope_scaling {type|rope_type, factor, ...}, rope_local_base_freq
//   new: rope_parameters {rope_type, rope_theta, ...}, or one such object for each layer type
#pragma once

#include "model/config_reader.h"
#include "model/families.h"
#include "model/spec.h"

namespace halfbyte {

// Fills stack.ropes and each layer's rope and window. stack.head_dim and the layers must be set.
void read_rope(const ConfigReader& config, const Family& family, StackSpec& stack);

}  // namespace halfbyte
