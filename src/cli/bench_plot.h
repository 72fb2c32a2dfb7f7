// halfbyte bench --plot: speed against the number of tokens that are already in the context.
#pragma once

#include "cli/bench_model.h"

namespace halfbyte {

// 0, 512, 1024, 2048, ... up to `last`.
std::vector<std::uint64_t> plot_depths(std::uint64_t last);

// Measures at each depth: [{depth, prefill, decode}], each as the command reports them.
Json measure_depths(Bench& bench, const BenchOptions& options, const Limits& limits,
                    const std::vector<std::uint64_t>& depths);

// Writes the picture of those under options.plot. `body`: the command's other results.
void write_plot(const BenchOptions& options, const Json& depths, const Json& body);

}  // namespace halfbyte
