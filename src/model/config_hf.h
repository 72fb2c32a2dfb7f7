// config.json -> ModelSpec, in its old and its new form.
#pragma once

#include <string_view>

#include "base/json.h"
#include "model/spec.h"

namespace halfbyte {

// `generation` is generation_config.json, or null. Fails with kMalformed (a key is missing or
// wrong) or kUnsupported (a model type or an option that halfbyte does not run, by name).
ModelSpec spec_from_config(const Json& config, const Json& generation, std::string_view file);

}  // namespace halfbyte
