// Packing a matrix of each weight type, one thread: pack/TYPE, GB/s of the file's bytes.
#include <vector>

#include <benchmark/benchmark.h>

#include "kernels/packed.h"

namespace halfbyte {
namespace {

void pack(benchmark::State& state, DType type) {
  const std::uint64_t n = 512, k = 2048;
  TensorView source = {"w", type, {n, k}, {}};
  const std::vector<std::byte> file(*tensor_bytes(type, source.shape), std::byte{0x35});
  source.data = file;
  std::vector<std::byte> packed(packed_bytes(type, n, k));
  for (auto _ : state) {
    pack_panels(source, 0, n / kPanel, packed.data());
    benchmark::ClobberMemory();
  }
  state.counters["GB/s"] = benchmark::Counter(static_cast<double>(file.size()) * 1e-9,
                                              benchmark::Counter::kIsIterationInvariantRate);
}

const bool registered = [] {
  for (const PackedFormat& format : all_packed_formats()) {
    const std::string label = "pack/" + std::string(name(format.dtype));
    benchmark::RegisterBenchmark(label.c_str(), pack, format.dtype)->Unit(benchmark::kMicrosecond);
  }
  return true;
}();

}  // namespace
}  // namespace halfbyte
