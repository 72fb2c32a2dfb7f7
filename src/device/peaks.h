// What this machine reaches at most: multiply-adds of each kind and bytes read from each level of
// its memory, measured by the peak loops of the kernel registry.
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>
#include <vector>

#include "base/thread_pool.h"
#include "device/caches.h"
#include "kernels/registry.h"

namespace halfbyte {

constexpr std::uint64_t kReadUnit = 4096;  // working sets are multiples of it

enum class MemoryLevel : std::uint8_t { l1, l2, l3, memory };
std::string_view name_of(MemoryLevel level);  // "L1" ... "memory"
std::string_view name_of(PeakKind kind);      // "f32", "bf16", "int8", "read"

// The level from which `bytes` that are read again and again come at best: L3 or memory.
MemoryLevel level_of(std::uint64_t bytes, const CacheSizes& caches);

// Bytes that each of `threads` threads reads over and over to see that level: half of a core's own
// L1 or L2, its part of a quarter of the L3 (others may share it), its part of what is far larger
// than the L3.
std::uint64_t working_set(MemoryLevel level, const CacheSizes& caches, std::size_t threads);

// Operations a second of a multiply row on all threads of the pool at once: the best of a few
// stretches that take about `seconds` together.
double measure_multiply(const PeakKernel& kernel, ThreadPool& pool, double seconds);

// Bytes a second that all threads of the pool read at once, each its own `bytes` (a multiple of
// 1024) over and over. Throws std::bad_alloc without memory.
double measure_read(const PeakKernel& kernel, std::uint64_t bytes, ThreadPool& pool,
                    double seconds);

}  // namespace halfbyte
