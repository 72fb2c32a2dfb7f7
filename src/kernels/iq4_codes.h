// The code table of iq4_nl and iq4_xs. Plain data, also for kernels of one instruction set.
#pragma once

#include <cstdint>

namespace halfbyte {

// The published values of iq4_nl (ggml's format), plus 128.
constexpr std::uint8_t kIq4Codes[16] = {1,   24,  45,  63,  79,  93,  106, 118,
                                        129, 141, 153, 166, 181, 197, 217, 241};

}  // namespace halfbyte
