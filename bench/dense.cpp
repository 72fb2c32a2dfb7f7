// Dense products of every ISA: GFLOP/s on tiles, as items a second (one item: a multiply-add,
// twice).
#include "kernels/dense.h"

#include <string>
#include <vector>

#include <benchmark/benchmark.h>

#include "kernels/registry.h"

namespace halfbyte {
namespace {

struct Scratch {
  alignas(64) std::byte bytes[kDenseScratchBytes];
};

struct Shape {
  const char* name;
  std::size_t m, n, k;
  bool a_transposed, b_transposed;
};
constexpr Shape kShapes[] = {
    {"gram", 192, 192, 2048, true, false},
    {"rows_by_rows", 1024, 64, 1024, false, true},
    {"rows_by_columns", 64, 128, 1024, false, false},
    {"narrow", 64, 32, 1024, false, false},
};

void run(benchmark::State& state, const DenseKernel& kernel, const Shape& s) {
  static Scratch scratch;
  // Wide rows, as in a larger matrix.
  constexpr std::size_t kStride = 2056;
  const std::vector<float> values(2048 * kStride, 1.0f);
  std::vector<float> c(s.m * s.n);
  const DenseOperand plain = {values.data(), kStride, 1};
  const DenseProduct product = {s.a_transposed ? transposed(plain) : plain,
                                s.b_transposed ? transposed(plain) : plain,
                                c.data(),
                                s.n,
                                s.m,
                                s.n,
                                s.k};
  for (auto _ : state) kernel.multiply(product, scratch.bytes);
  state.SetItemsProcessed(state.iterations() * static_cast<std::int64_t>(2 * s.m * s.n * s.k));
}

const bool kRegistered = [] {
  for (const IsaRows* isa : all_isas()) {
    for (const DenseKernel& kernel : isa->dense) {
      if (!detect_cpu_features().includes(kernel.needs)) continue;
      for (const Shape& shape : kShapes) {
        const std::string name = "dense/" + std::string(kernel.isa) + "/" + shape.name;
        benchmark::RegisterBenchmark(name.c_str(),
                                     [&](benchmark::State& state) { run(state, kernel, shape); });
      }
    }
  }
  return true;
}();

}  // namespace
}  // namespace halfbyte
