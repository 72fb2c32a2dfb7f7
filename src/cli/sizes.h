// Sizes as people write them.
#pragma once

#include <cstdint>
#include <string_view>

namespace halfbyte {

// "80MB", "1.5GB", "700MiB", "80000000": B, KB, MB, GB, TB are powers of 1000, KiB to TiB of 1024,
// in any case, with or without a space. Fails with kUsage for anything else and for sizes below 1.
std::uint64_t parse_bytes(std::string_view text);

}  // namespace halfbyte
