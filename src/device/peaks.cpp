#include "device/peaks.h"

#include <algorithm>
#include <chrono>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <new>

namespace halfbyte {

namespace {

using Clock = std::chrono::steady_clock;

constexpr int kStretches = 4;

double since(Clock::time_point start) {
  return std::chrono::duration<double>(Clock::now() - start).count();
}

// All threads call work(thread), which returns what it has done, again and again; the sum of their
// rates, in the best stretch.
template <typename Work>
double best_rate(ThreadPool& pool, double seconds, const Work& work) {
  double best = 0.0;
  std::vector<double> rates(pool.size());
  for (int stretch = 0; stretch < kStretches; ++stretch) {
    pool.run([&](std::size_t thread, Team& team) {
      work(thread);  // wakes the thread, fills the caches
      team.barrier();
      const auto start = Clock::now();
      double done = 0.0;
      do {
        done += work(thread);
      } while (since(start) < seconds / kStretches);
      rates[thread] = done / since(start);
    });
    double sum = 0.0;
    for (const double rate : rates) sum += rate;
    best = std::max(best, sum);
  }
  return best;
}

struct Free {
  void operator()(std::byte* data) const { std::free(data); }
};
using Memory = std::unique_ptr<std::byte[], Free>;

Memory allocate(std::uint64_t bytes) {
  Memory memory(static_cast<std::byte*>(std::aligned_alloc(4096, (bytes + 4095) / 4096 * 4096)));
  if (!memory) throw std::bad_alloc();
  return memory;
}

}  // namespace

std::string_view name_of(MemoryLevel level) {
  constexpr std::string_view kNames[] = {"L1", "L2", "L3", "memory"};
  return kNames[static_cast<std::size_t>(level)];
}

std::string_view name_of(PeakKind kind) {
  constexpr std::string_view kNames[] = {"f32", "bf16", "int8", "read"};
  return kNames[static_cast<std::size_t>(kind)];
}

MemoryLevel level_of(std::uint64_t bytes, const CacheSizes& caches) {
  return bytes <= caches.l3 ? MemoryLevel::l3 : MemoryLevel::memory;
}

std::uint64_t working_set(MemoryLevel level, const CacheSizes& caches, std::size_t threads) {
  constexpr std::uint64_t kLeast = 256u << 20, kMost = std::uint64_t{1} << 30;
  std::uint64_t bytes = 0;
  switch (level) {
    case MemoryLevel::l1:
      bytes = caches.l1 / 2;
      break;
    case MemoryLevel::l2:
      bytes = caches.l2 / 2;
      break;
    case MemoryLevel::l3:
      bytes = caches.l3 / 4 / threads;  // others may share it
      break;
    case MemoryLevel::memory:
      bytes = std::clamp(4 * caches.l3, kLeast, kMost) / threads;
      break;
  }
  return std::max(kReadUnit, bytes / kReadUnit * kReadUnit);
}

double measure_multiply(const PeakKernel& kernel, ThreadPool& pool, double seconds) {
  constexpr std::uint64_t kIterations = 1u << 14;
  volatile std::int8_t hidden = 1;
  const std::int8_t one = hidden;
  return best_rate(pool, seconds, [&](std::size_t) {
    kernel.multiply(kIterations, one);
    return kernel.operations * static_cast<double>(kIterations);
  });
}

double measure_read(const PeakKernel& kernel, std::uint64_t bytes, ThreadPool& pool,
                    double seconds) {
  constexpr std::uint64_t kAtOnce = 1u << 20;  // between two looks at the clock, at least
  const std::uint64_t passes = std::max<std::uint64_t>(1, kAtOnce / bytes);
  std::vector<Memory> sets;
  for (std::size_t i = 0; i < pool.size(); ++i) sets.push_back(allocate(bytes));
  // Each thread writes its own, so that the pages are near it.
  pool.run([&](std::size_t thread, Team&) { std::memset(sets[thread].get(), 1, bytes); });
  double best = 0.0;
  for (const bool far : {false, true}) {
    best = std::max(best, best_rate(pool, seconds / 2, [&](std::size_t thread) {
                      for (std::uint64_t i = 0; i < passes; ++i)
                        kernel.read(sets[thread].get(), bytes, far);
                      return static_cast<double>(passes * bytes);
                    }));
  }
  return best;
}

}  // namespace halfbyte
