// Peak loops of plain C++, which the compiler turns into what every processor of the kind has.
#include "kernels/isa/scalar/peak.h"

#include <algorithm>
#include <cstring>
#include <iterator>

namespace halfbyte {
namespace {

constexpr int kInputs = 64;

// The values in memory are new to the compiler in every iteration: it would add up the same
// products once.
template <typename Input, typename Sum>
double multiply(std::uint64_t iterations, std::int8_t one) noexcept {
  Input a[kInputs];
  Sum sums[kInputs] = {};
  std::fill(std::begin(a), std::end(a), static_cast<Input>(one));
  for (std::uint64_t n = 0; n < iterations; ++n) {
    __asm__ volatile("" : "+m"(a));
    for (int i = 0; i < kInputs; ++i) sums[i] += static_cast<Sum>(a[i]) * static_cast<Sum>(a[i]);
  }
  double total = 0.0;
  for (const Sum sum : sums) total += static_cast<double>(sum);
  return total;
}

template <std::size_t Streams>
std::uint64_t read_streams(const std::byte* data, std::size_t bytes) noexcept {
  const std::size_t part = bytes / Streams;
  std::uint64_t chains[8] = {};
  for (std::size_t at = 0; at < part; at += sizeof(chains)) {
    for (std::size_t stream = 0; stream < Streams; ++stream) {
      std::uint64_t words[8];
      std::memcpy(words, data + stream * part + at, sizeof(words));
      for (int i = 0; i < 8; ++i) chains[i] ^= words[i];
    }
  }
  std::uint64_t total = 0;
  for (const std::uint64_t chain : chains) total ^= chain;
  return total;
}

std::uint64_t read(const std::byte* data, std::size_t bytes, bool far) noexcept {
  return far ? read_streams<4>(data, bytes) : read_streams<1>(data, bytes);
}

constexpr PeakRow kPeaks[] = {
    {"scalar.peak_f32", PeakKind::f32, kInputs * 2, multiply<float, float>, nullptr},
    {"scalar.peak_int8", PeakKind::int8, kInputs * 2, multiply<std::int8_t, std::int32_t>, nullptr},
    {"scalar.peak_read", PeakKind::read, 0, nullptr, read},
};

}  // namespace

PeakRows scalar_peak_rows() {
  return {kPeaks, std::size(kPeaks)};
}

}  // namespace halfbyte
