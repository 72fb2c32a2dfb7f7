// Frequencies of rotary embeddings.
#pragma once

#include <cstdint>
#include <vector>

#include "model/spec.h"

namespace halfbyte {

// [dim/2] radians a position, scaled as the spec says. `length` is the number of positions in use
// (dynamic scaling depends on it; it may be 0 for the others).
std::vector<float> rope_frequencies(const RopeSpec& rope, std::uint64_t length);

// What cosines and sines are multiplied by (yarn; else 1).
float rope_magnitude(const RopeSpec& rope);

// The divisors that turn the unscaled frequencies into llama3's, [dim/2]: GGUF's rope_freqs tensor.
std::vector<float> llama3_divisors(const RopeSpec& rope);

}  // namespace halfbyte
