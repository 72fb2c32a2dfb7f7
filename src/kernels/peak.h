// What a processor can do at most: loops of one instruction on registers, and a loop that reads.
//
// They set the limits that speeds are compared with (device/peaks.h) and are rows of the registry
// like every kernel. Plain data: isa/NAME/peak.cpp is compiled for one instruction set.
#pragma once

#include <cstddef>
#include <cstdint>

namespace halfbyte {

// What a row's loop does: multiply-adds of f32, of bf16 into f32, of int8 into int32; or reading.
enum class PeakKind : std::uint8_t { f32, bf16, int8, read };

// `one` is 1, where the compiler cannot see it: the factors of every product, so that the result is
// the number of multiply-adds that were done (exact up to 2^20 iterations).
using PeakMultiply = double (*)(std::uint64_t iterations, std::int8_t one) noexcept;
// The exclusive or of all 64-bit words. `data` is 64-byte aligned, `bytes` a multiple of 4096.
// `far`: four streams side by side, prefetched, which is faster where the bytes are not in a near
// cache.
using PeakRead = std::uint64_t (*)(const std::byte* data, std::size_t bytes, bool far) noexcept;

struct PeakRow {
  const char* name;  // "avx2.peak_f32"
  PeakKind kind;
  double operations;  // an iteration does; a multiply-add counts as two. 0 where it reads
  // Exactly one of the two is set.
  PeakMultiply multiply;
  PeakRead read;
};

struct PeakRows {
  const PeakRow* rows;
  std::size_t count;
};

}  // namespace halfbyte
