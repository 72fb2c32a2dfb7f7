// What to compress to where nobody says: about 4.5 bits a weight, and what runs fast on this CPU.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "compress/target.h"
#include "kernels/cpu_features.h"
#include "model/spec.h"

namespace halfbyte {

// What the choice depends on.
struct ChoiceFacts {
  const ModelSpec& spec;
  const Target& target;
  CpuFeatures features;
  bool text = false;  // one to calibrate on was given
};

struct Choice {
  std::string type;
  std::string method;
  std::string why;  // one line, of what was chosen
};

// A type or a method that was asked for ("" if not) stays. Where the target holds none of the types
// that come into question, the last of them, which the writer refuses naming the target's own.
Choice choose(const ChoiceFacts& facts, std::string_view type, std::string_view method);

}  // namespace halfbyte
