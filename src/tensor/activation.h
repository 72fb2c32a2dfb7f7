// Activation functions, by their names in published configs.
#pragma once

#include <cstdint>

namespace halfbyte {

// relu max(x, 0); gelu x * Phi(x) with erf; gelu_tanh its tanh form; silu x * sigmoid(x);
// quick_gelu x * sigmoid(1.702 x).
enum class Activation : std::uint8_t { relu, gelu, gelu_tanh, silu, quick_gelu };

}  // namespace halfbyte
