// Linear kernels of the registry that this CPU can run, one thread:
//   KERNEL/n/k/rows    GB/s are weights read a second, GOPS 2 * rows * n * k operations a second.
// k is rounded up to a whole block. Sizes: matrices for caches and for memory. Filter by kernel
// name, for example
//   bench_kernels --benchmark_filter=avx512vnni.q4_0
#include <random>
#include <vector>

#include <benchmark/benchmark.h>

#include "aligned.h"
#include "kernels/packed.h"
#include "kernels/registry.h"

namespace halfbyte {
namespace {

struct Problem {
  std::size_t n, k, rows;
  Array<std::byte> weights, scratch;
  Array<std::int8_t> codes, token_bytes;
  Array<float> scales, x, y;
  Array<std::int32_t> sums;
  Array<std::uint16_t> words;
  Array<Outlier> outliers;

  Problem(DType type, std::size_t outputs, std::size_t inputs, std::size_t m)
      : n(outputs),
        k(inputs),
        rows(m),
        weights(allocate<std::byte>(packed_bytes(type, n, k))),
        scratch(allocate<std::byte>(linear_scratch_bytes(k))),
        codes(allocate<std::int8_t>(rows * k)),
        token_bytes(allocate<std::int8_t>(token_codes(rows, k))),
        scales(allocate<float>(rows * k / 32)),
        x(allocate<float>(rows * k)),
        y(allocate<float>(rows * n)),
        sums(allocate<std::int32_t>(rows * k / 16)),
        words(allocate<std::uint16_t>(bf16_words(rows, k))),
        outliers(allocate<Outlier>(outlier_places(rows, k))) {
    // Bytes below 0x40 are neither NaN nor subnormal often enough to matter as f16 scales.
    std::minstd_rand random(1);
    const std::size_t bytes = packed_bytes(type, n, k);
    for (std::size_t i = 0; i < bytes; ++i) {
      weights[i] = std::byte((i % 2 != 0 ? 0x20u : 0u) | (random() >> 8 & 0x1Fu));
    }
    for (std::size_t i = 0; i < rows * k; ++i) {
      codes[i] = static_cast<std::int8_t>(static_cast<int>(random() % 255) - 127);
      x[i] = static_cast<float>(codes[i]) / 127.0f;
    }
    std::fill_n(token_bytes.get(), token_codes(rows, k), std::int8_t{5});
    std::fill_n(words.get(), bf16_words(rows, k), std::uint16_t{0x3F80});  // ones
    std::fill_n(scales.get(), rows * k / 32, 0.01f);
    std::fill_n(sums.get(), rows * k / 16, 3);
    std::fill_n(outliers.get(), outlier_places(rows, k), Outlier{static_cast<std::uint32_t>(k), 0});
  }
};

void run(benchmark::State& state, const LinearKernel& kernel) {
  const auto size = [&](int i) { return static_cast<std::size_t>(state.range(i)); };
  const std::size_t block = find_packed_format(kernel.weight)->block;
  const Problem p(kernel.weight, size(0), (size(1) + block - 1) / block * block, size(2));
  const PackedMatrix w = {kernel.weight, p.n, p.k, p.weights.get()};
  const QuantizedRows rows = {p.rows,         p.k,          p.codes.get(),
                              p.scales.get(), p.sums.get(), p.outliers.get()};
  const TokenRows tokens = {p.rows, p.k, p.token_bytes.get(), p.scales.get(), p.sums.get()};
  const LinearOutput out = {p.y.get(), p.n};
  for (auto _ : state) {
    if (kernel.int8 != nullptr) {
      kernel.int8(w, 0, w.panels(), rows, out, p.scratch.get());
    } else if (kernel.token != nullptr) {
      kernel.token(w, 0, w.panels(), tokens, out, p.scratch.get());
    } else if (kernel.bf16 != nullptr) {
      kernel.bf16(w, 0, w.panels(), {p.rows, p.k, p.words.get()}, out, p.scratch.get());
    } else {
      kernel.f32(w, 0, w.panels(), p.x.get(), p.k, p.rows, out, p.scratch.get());
    }
    benchmark::ClobberMemory();
  }
  const auto rate = [&](double amount) {
    return benchmark::Counter(amount * 1e-9, benchmark::Counter::kIsIterationInvariantRate);
  };
  const double work = 2.0 * static_cast<double>(p.n) * static_cast<double>(p.k);
  state.counters["GB/s"] = rate(static_cast<double>(packed_bytes(kernel.weight, p.n, p.k)));
  state.counters["GOPS"] = rate(work * static_cast<double>(p.rows));
}

const bool registered = [] {
  CpuFeatures features = detect_cpu_features();
  // Only a hint: both ways to read run everywhere.
  features.bits |= static_cast<std::uint32_t>(CpuFeature::read_streams);
  for (const IsaRows* isa : all_isas()) {
    for (const LinearKernel& kernel : isa->linear) {
      if (!features.includes(kernel.needs)) continue;
      auto* bench =
          benchmark::RegisterBenchmark(std::string(kernel.name).c_str(),
                                       [&kernel](benchmark::State& state) { run(state, kernel); });
      bench->Unit(benchmark::kMicrosecond);
      if (kernel.phase == Phase::decode) {
        bench->Args({1536, 576, 1})->Args({2048, 8192, 1})->Args({32768, 8192, 1});
      } else {
        bench->Args({1536, 576, 512})->Args({2048, 2048, 512})->Args({512, 8192, 512});
      }
    }
  }
  return true;
}();

}  // namespace
}  // namespace halfbyte
