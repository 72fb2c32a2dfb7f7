#include "compress/calibrate/head_inputs.h"

namespace halfbyte {

InputStats head_inputs(BlockRunner& runner, ThreadPool& pool, GramSum* gram) {
  InputStats inputs = InputStats::of_width(runner.plan().spec.width, gram != nullptr);
  runner.for_head_inputs([&](const float* x, std::uint64_t rows) {
    pool.run(
        [&](std::size_t thread, Team& team) { inputs.add(x, inputs.k, rows, gram, thread, team); });
  });
  if (runner.plan().spec.tied_head) inputs.add_lookups();
  return inputs;
}

}  // namespace halfbyte
