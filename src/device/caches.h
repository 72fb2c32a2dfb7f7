// Sizes of this machine's data caches.
#pragma once

#include <cstdint>
#include <string>

namespace halfbyte {

// Bytes as one core sees them: its own L1 and L2, and the L3 that it shares. Without an L3, the
// last level there is.
struct CacheSizes {
  std::uint64_t l1 = 32u << 10;
  std::uint64_t l2 = 1u << 20;
  std::uint64_t l3 = 8u << 20;
};

// From Linux's description of the first processor; where that says nothing, the sizes above.
CacheSizes read_cache_sizes(const std::string& folder = "/sys/devices/system/cpu/cpu0/cache");

}  // namespace halfbyte
