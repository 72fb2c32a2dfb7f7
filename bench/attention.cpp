// Attention of every instruction set that this CPU can run, one thread:
//   ISA.COMPUTE.CACHE/rows/length/kv_heads/group/head_dim    the rows are the last of `length`
// positions.
// GB/s are keys and values, each counted once a call; GFLOPS are the two products. One row is
// decoding: many kv heads do not fit the caches, one does.
#include <cmath>
#include <cstring>
#include <random>
#include <string>
#include <vector>

#include <benchmark/benchmark.h>

#include "aligned.h"
#include "kernels/registry.h"

namespace halfbyte {
namespace {

struct Problem {
  AttentionArgs args;
  Array<float> q, out;
  Array<std::byte> keys, values, scratch;

  Problem(const benchmark::State& state, DType type) {
    const auto size = [&](int i) { return static_cast<std::size_t>(state.range(i)); };
    args.rows = size(0);
    args.length = size(1);
    args.kv_heads = size(2);
    args.heads = args.kv_heads * size(3);
    args.head_dim = size(4);
    args.q_stride = args.out_stride = args.heads * args.head_dim;
    args.first_position = args.length - args.rows;
    args.scale = 1.0f / std::sqrt(static_cast<float>(args.head_dim));
    q = allocate<float>(args.rows * args.q_stride);
    out = allocate<float>(args.rows * args.q_stride);
    scratch = allocate<std::byte>(
        attention_scratch_bytes(args.rows, args.heads, args.head_dim, args.length));
    std::minstd_rand random(1);
    std::normal_distribution<float> normal;
    for (std::size_t i = 0; i < args.rows * args.q_stride; ++i) q[i] = normal(random);
    args.q = q.get();
    args.out = out.get();
    args.keys = fill(type, keys);
    args.values = fill(type, values);
  }

  std::size_t cache_bytes() const { return args.kv_heads * args.keys.head_stride; }

 private:
  // The same few rows over and over: making them takes longer than the benchmark.
  CacheView fill(DType type, Array<std::byte>& cache) const {
    const RowOps& ops = select_rows(detect_cpu_features()).ops;
    constexpr std::size_t kDistinct = 61;
    const std::size_t row = *row_bytes(type, args.head_dim);
    const std::size_t rows = args.kv_heads * args.length;
    cache = allocate<std::byte>(rows * row);
    std::minstd_rand random(2);
    std::normal_distribution<float> normal;
    std::vector<float> x(args.head_dim);
    for (std::size_t i = 0; i < rows; ++i) {
      std::byte* const dst = cache.get() + i * row;
      if (i >= kDistinct) {
        std::memcpy(dst, dst - kDistinct * row, row);
        continue;
      }
      for (float& value : x) value = normal(random);
      ops.store_cache(x.data(), x.size(), type, dst);
    }
    return {type, cache.get(), args.length * row, row};
  }
};

void run(benchmark::State& state, const AttentionOps& ops, DType type) {
  const Problem p(state, type);
  const AttentionArgs& args = p.args;
  for (auto _ : state) {
    ops.rows(args, 0, args.heads, 0, args.rows, p.scratch.get());
    benchmark::ClobberMemory();
  }
  const auto rate = [&](double amount) {
    return benchmark::Counter(amount * 1e-9, benchmark::Counter::kIsIterationInvariantRate);
  };
  const auto seen = static_cast<double>(args.rows) * (static_cast<double>(args.first_position) +
                                                      0.5 + 0.5 * static_cast<double>(args.rows));
  state.counters["GB/s"] = rate(2.0 * static_cast<double>(p.cache_bytes()));
  state.counters["GFLOPS"] = rate(4.0 * seen * static_cast<double>(args.heads * args.head_dim));
}

const bool registered = [] {
  for (const IsaRows* isa : all_isas()) {
    for (const AttentionKernel& kernel : isa->attention) {
      if (!detect_cpu_features().includes(kernel.needs)) continue;
      for (DType type : {DType::f16, DType::q8_0, DType::f32}) {
        const std::string name = std::string(kernel.isa) +
                                 (kernel.compute == Compute::bf16 ? ".bf16." : ".f32.") +
                                 std::string(halfbyte::name(type));
        auto* bench = benchmark::RegisterBenchmark(
            name.c_str(), [&kernel, type](benchmark::State& s) { run(s, kernel.ops, type); });
        bench->Args({1, 4096, 64, 3, 64})->Args({1, 4096, 4, 3, 64})->Args({1, 4096, 64, 1, 64});
        bench->Args({1, 4096, 32, 4, 128})->Args({1, 4096, 16, 4, 256});
        bench->Args({8, 4096, 16, 3, 64});
        bench->Args({96, 4096, 1, 3, 64})->Args({64, 4096, 1, 4, 128})->Args({64, 4096, 1, 4, 256});
      }
    }
  }
  return true;
}();

}  // namespace
}  // namespace halfbyte
